//! One file as the process sees it, over what its medium holds of it.
//!
//! Guaranteed: a read shows every write before it; what [`Inode::sync`] has returned for is on the medium, whole. The medium
//! gets other sectors only from [`Inode::leak`], each wholly or not at all, and none beyond the file's end.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::base::rng::Rng;
use crate::env::{File, Storage};

/// Bytes that a medium writes wholly or not at all.
pub(super) const SECTOR: u64 = 512;

/// Most bytes given to the medium by one call.
const RUN: usize = 1 << 20;

type Sector = [u8; SECTOR as usize];

/// A file, whatever its names.
pub(super) struct Inode {
    file: Box<dyn File>,
    /// Its name on the medium; none once another file has that or it was removed there.
    pub(super) place: Option<String>,
    /// Shared with whoever has it open.
    pub(super) open: Arc<()>,
    /// Its length as the process sees it.
    pub(super) len: u64,
    /// What the medium holds from here on is nothing to the process: it is behind the end, or was once.
    base: u64,
    /// What the medium holds.
    medium: u64,
    /// A cut that the medium has not heard of.
    is_cut: bool,
    /// Sectors that were written since the last sync.
    dirty: BTreeMap<u64, Box<Sector>>,
}

impl Inode {
    /// A file that is on the medium as it is.
    pub(super) fn new(file: Box<dyn File>, place: String) -> io::Result<Self> {
        let len = file.size()?;
        let place = Some(place);
        Ok(Self {
            file,
            place,
            open: Arc::new(()),
            len,
            base: len,
            medium: len,
            is_cut: false,
            dirty: BTreeMap::new(),
        })
    }

    /// Whether the medium holds exactly what the process sees.
    pub(super) fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.len == self.medium && self.len == self.base && !self.is_cut
    }

    pub(super) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let n = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..n];
        let below = usize::try_from(self.base.saturating_sub(offset)).unwrap_or(usize::MAX).min(n);
        let mut done = 0;
        while done < below {
            match self.file.read_at(&mut buf[done..below], offset + done as u64)? {
                0 => break,
                more => done += more,
            }
        }
        buf[done..].fill(0);
        let end = offset + n as u64;
        for (number, sector) in self.dirty.range(offset / SECTOR..end.div_ceil(SECTOR)) {
            let start = number * SECTOR;
            let (from, to) = (start.max(offset), (start + SECTOR).min(end));
            buf[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&sector[(from - start) as usize..(to - start) as usize]);
        }
        Ok(n)
    }

    pub(super) fn write_at(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset.checked_add(buf.len() as u64).ok_or(io::ErrorKind::InvalidInput)?;
        for number in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = number * SECTOR;
            let (from, to) = (start.max(offset), (start + SECTOR).min(end));
            if !self.dirty.contains_key(&number) {
                let mut sector: Box<Sector> = Box::new([0; SECTOR as usize]);
                if to - from < SECTOR {
                    self.read_at(&mut *sector, start)?;
                }
                self.dirty.insert(number, sector);
            }
            if let Some(sector) = self.dirty.get_mut(&number) {
                sector[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&buf[(from - offset) as usize..(to - offset) as usize]);
            }
        }
        self.len = self.len.max(end);
        Ok(buf.len())
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.is_cut = true;
            self.base = self.base.min(len);
            self.dirty.split_off(&len.div_ceil(SECTOR));
            if let Some(sector) = self.dirty.get_mut(&(len / SECTOR)) {
                sector[(len % SECTOR) as usize..].fill(0);
            }
        }
        self.len = len;
    }

    /// Gives the medium all that it lacks: the length first, then the sectors, those behind first, so that a death on the way
    /// leaves holes.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.cut()?;
        if self.medium < self.len {
            self.file.set_len(self.len)?;
            self.medium = self.len;
        }
        let mut numbers: Vec<u64> = self.dirty.keys().copied().collect();
        numbers.reverse();
        let mut rest = numbers.as_slice();
        while let Some(&last) = rest.first() {
            let most = RUN / SECTOR as usize;
            let run = rest.iter().take(most).enumerate().take_while(|(i, n)| last - **n == *i as u64).count();
            self.give(last + 1 - run as u64, run)?;
            rest = &rest[run..];
        }
        self.dirty.clear();
        self.base = self.len;
        self.is_cut = false;
        Ok(())
    }

    /// Gives the medium some of what was never synced, as a system does that writes back when it likes: the length, a cut, and
    /// each sector with so many chances in eight.
    pub(super) fn leak(&mut self, rng: &mut Rng, eighths: u64) -> io::Result<()> {
        let chosen: Vec<u64> = self.dirty.keys().copied().filter(|_| rng.below(8) < eighths).collect();
        if self.is_cut && (!chosen.is_empty() || rng.below(8) < eighths) {
            self.cut()?;
        }
        if !self.is_cut && self.medium < self.len && rng.below(8) < eighths {
            self.file.set_len(self.len)?;
            self.medium = self.len;
        }
        chosen.into_iter().try_for_each(|number| self.give(number, 1))
    }

    /// Gives the medium some sectors out of the few that were written last.
    pub(super) fn leak_few(&mut self, rng: &mut Rng, most: usize) -> io::Result<()> {
        let count = self.dirty.len();
        let chosen: Vec<u64> = self.dirty.keys().copied().skip(rng.index(count.max(1))).take(most).collect();
        if !chosen.is_empty() {
            self.cut()?;
        }
        chosen.into_iter().try_for_each(|number| self.give(number, 1))
    }

    /// Lets the medium drop what the process has cut off, and what leaked behind that.
    fn cut(&mut self) -> io::Result<()> {
        if self.is_cut && self.medium > self.base {
            self.file.set_len(self.base)?;
            self.medium = self.base;
        }
        self.is_cut = false;
        Ok(())
    }

    /// Writes `count` dirty sectors from `first` on, as far as the file reaches.
    fn give(&mut self, first: u64, count: usize) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(count * SECTOR as usize);
        for sector in self.dirty.range(first..).take(count).map(|(_, sector)| sector) {
            bytes.extend_from_slice(&**sector);
        }
        let start = first * SECTOR;
        bytes.truncate(usize::try_from(self.len - start).unwrap_or(usize::MAX).min(bytes.len()));
        write_all(&*self.file, &bytes, start)?;
        self.medium = self.medium.max(start + bytes.len() as u64);
        Ok(())
    }

    /// Everything that the process sees, in a file of its own under `name`.
    pub(super) fn copy(&self, to: &dyn Storage, name: &str) -> io::Result<()> {
        let file = to.create_new(name)?;
        let (mut piece, mut at) = (vec![0; RUN], 0);
        while at < self.len {
            let n = self.read_at(&mut piece, at)?;
            write_all(&*file, &piece[..n], at)?;
            at += n as u64;
        }
        Ok(())
    }
}

fn write_all(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        done += file.write_at(&bytes[done..], offset + done as u64)?;
    }
    Ok(())
}
