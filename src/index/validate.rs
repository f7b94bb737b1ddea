//! What holds of an index at a quiet moment: no link and no write under way.

use super::coding::{BIRTH, DEATH, TERM};
use super::epochs::Inside;
use super::graph::{CONDEMNED, Index, LINKED, STATE, SWEPT, kept, links};
use super::metric::ByDot;
use super::sweep::Stage;
use super::view::View;
use super::writer::Writer;

impl Index {
    /// Checks everything that holds between operations; the text says what does not. For tests and simulations: it
    /// takes time for every link. A sweep may stand between two of its slices.
    pub fn validate(&self) -> Result<(), String> {
        self.inside().validate()
    }
}

impl Inside<'_> {
    fn validate(&self) -> Result<(), String> {
        let view = self.view();
        let rows = view.count();
        let mut seen = vec![u32::MAX; rows as usize];
        for row in 0..rows {
            self.validate_row(row, view)?;
            for layer in 0..=self.level(row) {
                self.validate_list(row, layer, &mut seen)
                    .map_err(|e| format!("row {row}, layer {layer}: {e}"))?;
                seen.iter_mut().filter(|mark| **mark == row).for_each(|mark| *mark = u32::MAX);
            }
        }
        if !parents_lead_to_root(self, (0..rows).filter(|row| !self.is_gone(*row))) {
            return Err("a row's parents do not lead to the root".to_owned());
        }
        self.validate_entry(rows)?;
        let living = (0..rows).filter(|row| view.coding.lives_on(*row)).count();
        let swept = (0..rows).filter(|row| self.cold.get(*row, STATE) & SWEPT != 0).count();
        self.validate_bytes(rows)?;
        if living != self.live() {
            return Err(format!("{living} rows live, {} are counted", self.live()));
        }
        if swept != self.sweep.swept() {
            return Err(format!("{swept} rows are swept, {} are counted", self.sweep.swept()));
        }
        let broken = (0..rows).filter(|row| !self.linked(*row) && self.is_adopted(*row)).count();
        if broken != self.sweep.broken() {
            return Err(format!("{broken} rows are linked by half, {} are counted", self.sweep.broken()));
        }
        self.validate_floor(rows)
    }

    /// True for a row that is out of the graph, or on its way out.
    fn is_gone(&self, row: u32) -> bool {
        self.cold.get(row, STATE) & if self.sweep.is_unlinking() { SWEPT | CONDEMNED } else { SWEPT } != 0
    }

    fn validate_bytes(&self, rows: u32) -> Result<(), String> {
        let held = (0..rows).filter(|row| !self.keys.is_mapped(*row)).map(|row| self.keys.get(row).len());
        let (held, counted) = (held.sum::<usize>() as u64, self.key_bytes.load());
        let given_back = self.sweep.key_bytes_given_back();
        if held + given_back != counted {
            return Err(format!("keys have {held} bytes, {counted} less {given_back} are counted"));
        }
        Ok(())
    }

    fn validate_floor(&self, rows: u32) -> Result<(), String> {
        let floor = self.floor.load();
        let mut pending: Vec<u32> = self.pending.rows().collect();
        pending.sort_unstable();
        if pending.len() != self.pending.waiting() {
            return Err(format!(
                "{} rows are pending, {} are counted",
                pending.len(),
                self.pending.waiting()
            ));
        }
        if pending.windows(2).any(|two| two[0] == two[1]) {
            return Err("a row is pending twice".to_owned());
        }
        let waits = |row: &u32| !self.linked(*row) && pending.binary_search(row).is_err();
        if floor > rows || (0..floor).any(|row| waits(&row)) || (floor < rows && self.linked(floor)) {
            return Err(format!("the linked floor is {floor} of {rows}"));
        }
        match pending.iter().find(|row| self.linked(**row)) {
            Some(row) => Err(format!("row {row} is linked, and pending")),
            None => Ok(()),
        }
    }

    fn validate_row(&self, row: u32, view: View<'_>) -> Result<(), String> {
        let (hot, moment) = (&view.coding.hot, view.moment());
        let (birth, death) = (hot.get(row, BIRTH), hot.get(row, DEATH));
        let state = self.cold.get(row, STATE);
        // Where another form was made meanwhile, a row that nobody could come to by then never was there.
        let clearing = self.sweep.stage() == Stage::Clear;
        let gone = state & if clearing { SWEPT | CONDEMNED } else { SWEPT } != 0;
        let unborn = birth == 0 && gone;
        if !unborn && (birth == 0 || birth > moment || (death != 0 && (death < birth || death > moment))) {
            return Err(format!("row {row} was born at {birth} and died at {death} of {moment}"));
        }
        let is_dead = death != 0 || unborn;
        if !gone {
            self.validate_code(row, view)?;
        }
        if state & (CONDEMNED | SWEPT) != 0 && (!is_dead || state & LINKED == 0) {
            return Err(format!("row {row} is swept, but lives or was never linked"));
        }
        if self.linked(row) && !self.in_graph(row) && !is_dead {
            return Err(format!("row {row} lives and counts as linked, but is not in the graph"));
        }
        let has_key = !self.keys.is_mapped(row) && !self.keys.get(row).is_empty();
        if self.places.is_free(row) != (state & SWEPT != 0) {
            return Err(format!("row {row} is swept, but no scan passes over it, or it is not"));
        }
        if state & SWEPT != 0 && (self.in_graph(row) || has_key) {
            return Err(format!("row {row} is swept, but has a key or a parent"));
        }
        let Some(parent) = self.parent(row).filter(|_| !self.is_gone(row)) else { return Ok(()) };
        if !kept(self.list(parent, 0)).any(|child| child == row) {
            return Err(format!("row {row} is not kept by the list of its parent {parent}"));
        }
        Ok(())
    }

    /// That a row which can be met has its code and all that goes with it, in the form by which walks go.
    fn validate_code(&self, row: u32, view: View<'_>) -> Result<(), String> {
        if !self.rows.are_intact() {
            return Ok(());
        }
        let Some(coder) = &view.coding.coder else {
            let near = view.coding.hot.get(row, TERM);
            return if near == self.term(row) { Ok(()) } else { Err(format!("row {row} has two terms")) };
        };
        let mut code = vec![0; coder.stride()];
        let (made, kept) = (coder.encode(view.row(row), &mut Vec::new(), &mut code), view.coding.share(row));
        let words = |share: ByDot| [share.add.to_bits(), share.factor.to_bits()];
        if code != view.code(row) || words(made) != words(kept) {
            return Err(format!("row {row} has another's code, or none, of {}", view.coding.quant().name()));
        }
        Ok(())
    }

    fn validate_list(&self, row: u32, layer: usize, seen: &mut [u32]) -> Result<(), String> {
        let list = self.list(row, layer);
        if links(list).next().is_some() && !self.in_graph(row) && !self.condemned(row) {
            return Err("links of a row that is not in the graph".to_owned());
        }
        let keeps = kept(list).find(|child| layer > 0 || self.parent(*child) != Some(row));
        if let Some(child) = keeps.filter(|_| self.sweep.stage() == Stage::Idle) {
            return Err(format!("keeps row {child}, which is not its child"));
        }
        // What leaves keeps its links to the end, and may be named until the lists have been gone over.
        if self.is_gone(row) {
            return Ok(());
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
            if self.is_gone(link) && self.sweep.stage() != Stage::Unlink {
                return Err(format!("links to row {link}, which is swept"));
            }
        }
        Ok(())
    }

    fn validate_entry(&self, rows: u32) -> Result<(), String> {
        let there = |row: &u32| self.in_graph(*row) && self.linked(*row) && !self.is_gone(*row);
        let top = (0..rows).filter(there).map(|row| self.level(row)).max();
        let handed_on = |row: u32| self.sweep.stage() >= Stage::Rehome && !self.condemned(row);
        match (self.entry(), top) {
            (None, None) => Ok(()),
            (Some((entry, level)), Some(top))
                if entry < rows
                    && self.in_graph(entry)
                    && self.level(entry) == level
                    && (level == top || handed_on(entry)) =>
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
            if self.coding.hot.get(row, DEATH) != 0 {
                return Err(format!("row {row} is dead, but has its key"));
            }
        }
        if self.len() != self.index.live() {
            return Err(format!("{} keys for {} living rows", self.len(), self.index.live()));
        }
        let rows = self.index.rows() as u32;
        let bit = |row: u32| self.dead[row as usize / 64] >> (row % 64) & 1 == 1;
        match (0..rows).find(|row| bit(*row) == self.coding.lives_on(*row)) {
            Some(row) => Err(format!("row {row} is dead on one side only")),
            None => Ok(()),
        }
    }
}

/// True when the parents of each of `rows` that has one lead to the root.
pub(super) fn parents_lead_to_root(index: &Index, rows: impl Iterator<Item = u32>) -> bool {
    let all = index.rows();
    let mut leads = vec![false; all];
    let mut path = Vec::new();
    for row in rows {
        let mut at = row;
        while !leads[at as usize] {
            path.push(at);
            match index.parent(at) {
                // A path longer than there are rows goes round in a circle.
                Some(parent) if path.len() <= all => at = parent,
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
