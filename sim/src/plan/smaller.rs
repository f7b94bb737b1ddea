//! What an operation can shrink to.

use super::Op;

impl Op {
    /// How many commands it consists of.
    #[must_use]
    pub fn parts(&self) -> usize {
        if let Self::Transaction(ops) | Self::Discarded(ops) = self { ops.len().max(1) } else { 1 }
    }

    /// Operations that ask for less: a part of it left out, a shorter value, an option fewer.
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        match self {
            Self::Transaction(ops) => {
                let alone = (ops.len() == 1).then(|| ops[0].clone());
                let fewer = without_one(ops).into_iter().map(Self::Transaction);
                let mut smaller: Vec<Self> = alone.into_iter().chain(fewer).collect();
                for (i, op) in ops.iter().enumerate() {
                    smaller.extend(op.smaller().into_iter().map(|op| {
                        let mut ops = ops.clone();
                        ops[i] = op;
                        Self::Transaction(ops)
                    }));
                }
                smaller
            }
            Self::Del(keys) => without_one(keys).into_iter().map(Self::Del).collect(),
            Self::Unlink(keys) => without_one(keys).into_iter().map(Self::Unlink).collect(),
            Self::Mget(keys) => without_one(keys).into_iter().map(Self::Mget).collect(),
            Self::Exists(keys) => without_one(keys).into_iter().map(Self::Exists).collect(),
            Self::Touch(keys) => without_one(keys).into_iter().map(Self::Touch).collect(),
            Self::Watch(keys) => without_one(keys).into_iter().map(Self::Watch).collect(),
            Self::Mset(pairs) => without_one(pairs).into_iter().map(Self::Mset).collect(),
            Self::MsetNx(pairs) => without_one(pairs).into_iter().map(Self::MsetNx).collect(),
            Self::Discarded(ops) => without_one(ops).into_iter().map(Self::Discarded).collect(),
            Self::SetWith { key, value, .. } => {
                vec![Self::Set { key: key.clone(), value: value.clone(), expire: None }]
            }
            Self::Set { key, value, expire } => {
                let set =
                    |value: &str, expire| Self::Set { key: key.clone(), value: value.to_owned(), expire };
                let mut smaller: Vec<Self> = expire.map(|_| set(value, None)).into_iter().collect();
                smaller.extend(shorter(value).map(|value| set(value, *expire)));
                smaller
            }
            Self::Append { key, value } => {
                let append = |value: &str| Self::Append { key: key.clone(), value: value.to_owned() };
                shorter(value).map(append).into_iter().collect()
            }
            Self::Unheard(silence, op) => {
                let less = op.smaller().into_iter().map(|op| Self::Unheard(*silence, Box::new(op)));
                std::iter::once((**op).clone()).chain(less).collect()
            }
            Self::Ping(Some(_)) => vec![Self::Ping(None)],
            _ => Vec::new(),
        }
    }
}

/// `list` with each of its elements left out in turn; nothing when only one is left.
fn without_one<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let leave_out = |i: usize| [&list[..i], &list[i + 1..]].concat();
    if list.len() < 2 { Vec::new() } else { (0..list.len()).map(leave_out).collect() }
}

/// A value without the filler that only makes it long.
fn shorter(value: &str) -> Option<&str> {
    let short = value.trim_end_matches('x');
    (short.len() < value.len()).then_some(short)
}
