//! What a crash test puts between the engine and the real machine: media that lose power, and deaths at chosen places.

use std::io;
use std::sync::Arc;

use super::aim::{Aim, Aimed, Killer};
use super::{Lossy, Settings};
use crate::base::mark;
use crate::env::{Backups, Storage};

/// What is between.
#[derive(Clone)]
pub(in crate::os) struct Around {
    lossy: Option<Settings>,
    killer: Option<Arc<Killer>>,
}

impl Around {
    /// `storage` is `files` or [`Settings`], `kill_at` empty or an [`Aim`]. Marks are told from here on.
    pub(in crate::os) fn new(storage: &str, kill_at: &str) -> io::Result<Self> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let lossy = match storage {
            "files" => None,
            text => Some(text.parse().map_err(wrong)?),
        };
        let killer = match kill_at {
            "" => None,
            text => Some(Killer::new(text.parse::<Aim>().map_err(wrong)?)),
        };
        if let Some(killer) = killer.clone() {
            mark::watch(Box::new(move |mark| killer.reached(mark)));
        }
        Ok(Self { lossy, killer })
    }

    /// The directory `real` as the engine is to see it.
    pub(in crate::os) fn storage(
        &self,
        real: Arc<dyn Storage>,
        backup: bool,
    ) -> io::Result<Arc<dyn Storage>> {
        let mut shown = real;
        if let Some(settings) = self.lossy {
            let lossy = Lossy::new(shown, settings)?;
            if let Some(killer) = &self.killer {
                killer.tears(lossy.clone());
            }
            shown = Arc::new(lossy);
        }
        Ok(match &self.killer {
            Some(killer) => Arc::new(Aimed::new(shown, Arc::clone(killer), backup)),
            None => shown,
        })
    }

    /// The place `real` for backups as the engine is to see it.
    pub(in crate::os) fn backups(&self, real: Arc<dyn Backups>) -> Arc<dyn Backups> {
        Arc::new(AroundBackups { around: self.clone(), real })
    }
}

struct AroundBackups {
    around: Around,
    real: Arc<dyn Backups>,
}

/// Names of directories are not lost: they are the real ones at once.
impl Backups for AroundBackups {
    fn exists(&self, name: &str) -> io::Result<bool> {
        self.real.exists(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        self.around.storage(self.real.create(name)?, true)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.real.sync()
    }
}
