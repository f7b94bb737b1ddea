//! What holds of an index at a quiet moment: no link and no write under way.

use std::sync::atomic::Ordering;

use super::graph::{DEATH, Index, links};
use super::writer::Writer;

impl Index {
    /// Checks everything that holds between operations; the text says what does not. For tests and simulations: it
    /// takes time for every link.
    pub fn validate(&self) -> Result<(), String> {
        let rows = self.view().count();
        let mut seen = vec![u32::MAX; rows as usize];
        for row in 0..rows {
            self.validate_row(row, rows)?;
            for layer in 0..=self.level(row) {
                self.validate_list(row, layer, &mut seen)
                    .map_err(|e| format!("row {row}, layer {layer}: {e}"))?;
                seen.iter_mut().filter(|mark| **mark == row).for_each(|mark| *mark = u32::MAX);
            }
        }
        if !parents_lead_to_root(self, rows) {
            return Err("a row's parents do not lead to the root".to_owned());
        }
        self.validate_entry(rows)?;
        let living = (0..rows).filter(|row| self.hot.get(*row, DEATH) == 0).count();
        if living != self.live() {
            return Err(format!("{living} rows live, {} are counted", self.live()));
        }
        let floor = self.floor.load();
        if floor > rows || (0..floor).any(|row| !self.linked(row)) || (floor < rows && self.linked(floor)) {
            return Err(format!("the linked floor is {floor} of {rows}"));
        }
        Ok(())
    }

    fn in_graph(&self, row: u32) -> bool {
        self.parent(row).is_some() || self.root() == Some(row)
    }

    fn validate_row(&self, row: u32, rows: u32) -> Result<(), String> {
        let death = self.hot.get(row, DEATH);
        if death != 0 && (death <= row || death > rows) {
            return Err(format!("row {row} died at {death} of {rows} rows"));
        }
        if self.linked(row) && !self.in_graph(row) && death == 0 {
            return Err(format!("row {row} lives and counts as linked, but is not in the graph"));
        }
        let Some(parent) = self.parent(row) else { return Ok(()) };
        if !links(self.list(parent, 0)).any(|child| child == row) {
            return Err(format!("row {row} is missing from the list of its parent {parent}"));
        }
        Ok(())
    }

    fn validate_list(&self, row: u32, layer: usize, seen: &mut [u32]) -> Result<(), String> {
        let list = self.list(row, layer);
        let len = links(list).count();
        if list[len..].iter().any(|link| link.load(Ordering::Relaxed) != 0) {
            return Err(format!("a link behind the end of the list at {len}"));
        }
        if len > 0 && !self.in_graph(row) {
            return Err("links of a row that is not in the graph".to_owned());
        }
        for link in links(list) {
            let Some(mark) = seen.get_mut(link as usize) else {
                return Err(format!("links to row {link}, which is not published"));
            };
            if link == row || std::mem::replace(mark, row) == row {
                return Err(format!("links to itself or twice to row {link}"));
            }
            if !self.in_graph(link) || self.level(link) < layer {
                return Err(format!("links to row {link}, which is not on this layer"));
            }
        }
        Ok(())
    }

    fn validate_entry(&self, rows: u32) -> Result<(), String> {
        let top =
            (0..rows).filter(|row| self.in_graph(*row) && self.linked(*row)).map(|row| self.level(row)).max();
        match (self.entry(), top) {
            (None, None) => Ok(()),
            (Some((entry, level)), Some(top))
                if entry < rows && self.in_graph(entry) && self.level(entry) == level && level == top =>
            {
                Ok(())
            }
            (entry, top) => Err(format!("the entry point is {entry:?}, the highest level {top:?}")),
        }
    }
}

impl Writer {
    /// Checks [`Index::validate`], and that the key table holds exactly the living rows.
    pub fn validate(&self) -> Result<(), String> {
        self.index().validate()?;
        for row in self.table.rows() {
            let key = self.index.keys.get(row);
            if self.get(key).map(|found| found.0) != Some(row) {
                return Err(format!("the key of row {row} is found elsewhere"));
            }
            if self.index.hot.get(row, DEATH) != 0 {
                return Err(format!("row {row} is dead, but has its key"));
            }
        }
        if self.len() != self.index.live() {
            return Err(format!("{} keys for {} living rows", self.len(), self.index.live()));
        }
        let rows = self.index.view().count();
        let bit = |row: u32| self.dead[row as usize / 64] >> (row % 64) & 1 == 1;
        match (0..rows).find(|row| bit(*row) != (self.index.hot.get(*row, DEATH) != 0)) {
            Some(row) => Err(format!("row {row} is dead on one side only")),
            None => Ok(()),
        }
    }
}

/// True when the parents of every row that has one lead to the root.
pub(super) fn parents_lead_to_root(index: &Index, rows: u32) -> bool {
    let mut leads = vec![false; rows as usize];
    let mut path = Vec::new();
    for row in 0..rows {
        let mut at = row;
        while !leads[at as usize] {
            path.push(at);
            match index.parent(at) {
                // A path longer than there are rows goes round in a circle.
                Some(parent) if path.len() <= rows as usize => at = parent,
                Some(_) => return false,
                None if index.root() == Some(at) => break,
                // Not in the graph, so nobody's child.
                None if path.len() == 1 => {
                    path.clear();
                    break;
                }
                None => return false,
            }
        }
        path.drain(..).for_each(|row| leads[row as usize] = true);
    }
    true
}
