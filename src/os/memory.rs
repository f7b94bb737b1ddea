//! The system's allocator, which lays large tables on large pages.
//!
//! A search jumps from row to row, and where a table is much larger than what the processor keeps of its page tables,
//! nearly every jump begins with a walk through them. Linux lays memory on pages of 2 MiB for those who ask, unless an
//! operator has said `never` (`/sys/kernel/mm/transparent_hugepage/enabled`). Large blocks that are allocated as zeros,
//! which the index's tables are, ask. What has not been written to costs nothing but the rest of one such page.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes from which on a block asks: two large pages, so that it holds a whole one wherever it begins.
const LARGE: usize = 4 << 20;

/// The allocator: `#[global_allocator]` of the server and of benches that measure what it does.
#[derive(Clone, Copy, Debug)]
pub struct LargePages;

// SAFETY: all of it is the system's allocator, whose blocks are handed on as they are; advice changes no byte of them.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; every block came from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { System.alloc_zeroed(layout) };
        if layout.size() >= LARGE && !block.is_null() {
            ask(block, layout.size());
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Asks for large pages under a block. Whether there are any is up to the system.
#[cfg(target_os = "linux")]
fn ask(block: *mut u8, bytes: usize) {
    /// Advice goes by pages; their size may be larger on some machines, and the call then does nothing.
    const PAGE: usize = 4096;
    let ahead = block.align_offset(PAGE);
    let whole = bytes.saturating_sub(ahead) / PAGE * PAGE;
    // SAFETY: these pages lie within a block that the caller owns, and the advice does not change what is in them.
    unsafe { libc::madvise(block.wrapping_add(ahead).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_of_zeros_are_zeros_and_keep_what_is_written() {
        for bytes in [1, LARGE - 1, LARGE, LARGE + 4097, 3 * LARGE] {
            let layout = Layout::from_size_align(bytes, 64).unwrap();
            // SAFETY: the layout is not empty; the block is freed below with the same one.
            let block = unsafe { LargePages.alloc_zeroed(layout) };
            assert!(!block.is_null());
            // SAFETY: the block holds so many initialised bytes, and nobody else knows of it.
            let all = unsafe { std::slice::from_raw_parts_mut(block, bytes) };
            assert!(all.iter().all(|byte| *byte == 0));
            all.fill(7);
            assert!(all.iter().all(|byte| *byte == 7));
            // SAFETY: made above with this layout.
            unsafe { LargePages.dealloc(block, layout) };
        }
    }

    /// What the kernel has been asked shows in the flags of the mapping: `hg`.
    #[cfg(target_os = "linux")]
    #[test]
    fn large_blocks_of_zeros_ask_for_large_pages() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return; // this kernel has none
        }
        let layout = Layout::from_size_align(8 * LARGE, 64).unwrap();
        // SAFETY: as above.
        let block = unsafe { LargePages.alloc_zeroed(layout) };
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let inside = block.addr() + LARGE;
        let mut here = false;
        let asked = smaps.lines().any(|line| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                here = (from..to).contains(&inside);
            }
            here && line.starts_with("VmFlags:") && line.split(' ').any(|flag| flag == "hg")
        });
        assert!(asked, "no flag hg on the mapping of {inside:x}");
        // SAFETY: as above.
        unsafe { LargePages.dealloc(block, layout) };
    }
}
