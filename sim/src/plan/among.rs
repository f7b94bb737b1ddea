//! Which rows a search may show: the keys that it is confined to, and how far they may be.

/// Which rows a search may show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Among {
    /// The greatest distance, as the server reports it.
    pub within: Option<f64>,
    /// Whose rows.
    pub keys: Keys,
}

/// The elements that a search is confined to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Keys {
    /// Every one.
    #[default]
    All,
    /// Those that begin so.
    Prefix(String),
    /// Those that match a pattern.
    Match(String),
    /// These, of which some may not be there.
    Listed(Vec<String>),
}
