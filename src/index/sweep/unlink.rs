//! The third pass: links to condemned rows make room for others, which link back. Without the way back a graph decays:
//! rows that come later are linked to by few.

use std::sync::atomic::Ordering;

use super::super::epochs::Inside;
use super::super::graph::{HOLE, KEPT, LINKED, STATE, SWEPT, links};
use super::super::near::Near;
use super::super::scratch::{Linking, Scratch};
use super::{CHANGE, STRIDE, Work};
use crate::base::mark::{Mark, reached};
use crate::base::sync::point;

impl Inside<'_> {
    pub(super) fn unlink_some(&self, work: &mut Work, budget: usize, scratch: &mut Scratch) {
        let mut left = budget;
        while work.at < work.end && left > 0 {
            let row = work.at;
            work.at += 1;
            left -= 1;
            if row.is_multiple_of(STRIDE) {
                point("sweep: unlink");
            }
            let state = self.cold.get(row, STATE);
            // What is linked from now on names no condemned row.
            if state & LINKED == 0 || state & SWEPT != 0 || work.is_condemned(row) || !self.in_graph(row) {
                continue;
            }
            for layer in 0..=self.level(row) {
                if self.relink(row, layer, work, &mut scratch.linking) {
                    left = left.saturating_sub(CHANGE);
                }
            }
        }
    }

    /// Puts other links in the places of those to condemned rows in one list; true where there were any. A link that the
    /// list keeps for a row that has another parent now becomes one like others.
    fn relink(&self, row: u32, layer: usize, work: &Work, linking: &mut Linking) -> bool {
        let list = self.list(row, layer);
        let mut holes = Vec::new();
        linking.links.clear();
        for (place, cell) in list.iter().enumerate() {
            let word = cell.load(Ordering::Acquire);
            let Some(link) = (word & !KEPT).checked_sub(1) else { continue };
            if work.is_condemned(link) {
                holes.push((place, word));
            } else {
                linking.links.push(link);
                if word & KEPT != 0 && self.parent(link) != Some(row) {
                    reached(Mark::LinkNoLongerKept);
                    // Only a sweep changes a link that is kept.
                    cell.store(link + 1, Ordering::Release);
                }
            }
        }
        if holes.is_empty() {
            return false;
        }
        self.choose_again(row, layer, &holes, linking);
        let chosen: Vec<u32> = linking.kept.iter().map(|near| near.row()).collect();
        let mut next = 0;
        for (place, word) in holes {
            point("sweep: relink");
            let link = chosen.get(next).map_or(HOLE, |row| row + 1);
            if list[place].compare_exchange(word, link, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                next += 1;
            } else {
                reached(Mark::RelinkLost);
            }
        }
        for other in chosen.iter().take(next) {
            self.add(layer, *other, row, 0, linking);
        }
        true
    }

    /// Leaves in `linking.kept` what is to stand in the places of `holes`, beside `linking.links`: links of the condemned
    /// rows, first those that are nearer to `row` than to any other link, and then the nearest.
    fn choose_again(&self, row: u32, layer: usize, holes: &[(usize, u32)], linking: &mut Linking) {
        let Linking { links: there, candidates, kept, pruned, coded, keeps: rows, .. } = linking;
        rows.clear();
        for (_, word) in holes {
            let condemned = (word & !KEPT) - 1;
            let others = links(self.list(condemned, layer)).filter(|other| *other != row);
            rows.extend(others.filter(|other| self.coding().lives_on(*other)));
        }
        // After the lists were read: they may name rows that came while this slice went on.
        let view = self.view();
        // Nearest first: what is occluded is so by a near one as a rule.
        view.nears(view.measure_row(row, coded), there.iter().copied(), candidates);
        candidates.sort_unstable();
        there.clear();
        there.extend(candidates.iter().map(|near| near.row()));
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|other| !there.contains(other));
        view.nears(view.measure_row(row, coded), rows.iter().copied(), candidates);
        candidates.sort_unstable();
        kept.clear();
        pruned.clear();
        for candidate in candidates.iter() {
            if kept.len() == holes.len() {
                break;
            }
            let measure = view.measure_row(candidate.row(), coded);
            let mut others = there.iter().copied().chain(kept.iter().map(|near: &Near| near.row()));
            let occluded = others.any(|other| view.near_by(measure, other).distance() < candidate.distance());
            if occluded { pruned.push(*candidate) } else { kept.push(*candidate) }
        }
        let more = holes.len() - kept.len();
        kept.extend(pruned.iter().take(more));
    }
}
