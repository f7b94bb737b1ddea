//! Captures, their bytes, and opening them again.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::base::crc32c::crc32c;
use crate::env::Map;
use crate::env::MappedBytes;

/// Bytes on a 64-byte boundary that stand for a mapped file.
#[derive(Debug)]
pub(super) struct Bytes {
    words: Vec<[u64; 8]>,
    start: usize,
    len: usize,
}

// SAFETY: the bytes are owned and never change; moving the value does not move them.
unsafe impl Map for Bytes {
    fn bytes(&self) -> &[u8] {
        let bytes = self.words.as_ptr().cast::<u8>().wrapping_add(self.start);
        // SAFETY: `map` placed `len` bytes there, inside the vector.
        unsafe { std::slice::from_raw_parts(bytes, self.len) }
    }
}

impl Bytes {
    pub(super) fn map(content: &[u8]) -> Arc<dyn Map> {
        let mut words = vec![[0_u64; 8]; content.len() / 64 + 2];
        let start = words.as_ptr().cast::<u8>().align_offset(64).min(64);
        for (n, byte) in content.iter().enumerate() {
            let at = start + n;
            words[at / 64][at / 8 % 8] |= u64::from(*byte) << (at % 8 * 8);
        }
        Arc::new(Self { words, start, len: content.len() })
    }
}

/// A section: kind, meta, payload.
type Written = (SectionKind, Vec<u8>, Vec<u8>);

/// What a sink was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct File {
    pub(super) sections: Vec<Written>,
    open: bool,
}

impl Sink for File {
    fn begin(&mut self, kind: SectionKind, meta: &[u8]) -> io::Result<()> {
        assert!(!std::mem::replace(&mut self.open, true), "one section at a time");
        self.sections.push((kind, meta.to_vec(), Vec::new()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(self.open);
        self.sections.last_mut().unwrap().2.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        assert!(std::mem::replace(&mut self.open, false), "a section that began");
        Ok(())
    }
}

impl File {
    pub(super) fn of(capture: &Capture) -> Self {
        let mut file = Self::default();
        capture.write(&mut file).unwrap();
        file
    }

    pub(super) fn open(&self) -> Result<Opened, crate::base::bytes::DecodeError> {
        self.open_through(|content| Bytes::map(&content))
    }

    /// Opens through whatever map is made of the sections' bytes.
    fn open_through(
        &self,
        map: impl FnOnce(Vec<u8>) -> Arc<dyn Map>,
    ) -> Result<Opened, crate::base::bytes::DecodeError> {
        let mut content = Vec::new();
        let mut places: Vec<Range<usize>> = Vec::new();
        for (_, _, payload) in &self.sections {
            content.resize(content.len().next_multiple_of(64), 0);
            places.push(content.len()..content.len() + payload.len());
            content.extend_from_slice(payload);
        }
        let map = map(content);
        let section = |((kind, meta, payload), place): (&Written, Range<usize>)| Section {
            kind: *kind,
            meta: meta.clone(),
            payload: MappedBytes::new(Arc::clone(&map), place).unwrap().checked(crc32c(payload)).unwrap(),
        };
        let sections: Vec<Section> = self.sections.iter().zip(places).map(section).collect();
        Writer::open(&sections, Kernels::best())
    }
}

/// The index through a capture and back, and the rows that are left to link.
pub(super) fn reopened(writer: &Writer) -> (Writer, Vec<RowId>) {
    let opened = File::of(&writer.capture()).open().unwrap();
    opened.writer.validate().unwrap();
    (opened.writer, opened.unlinked)
}

#[test]
fn an_opened_index_answers_like_the_one_that_was_captured() {
    let vectors = random_vectors(31, sized(40, 600), 20);
    let mut writer = built(config(20, &Cosine), &vectors);
    for n in (0..vectors.len() as u32).step_by(5) {
        writer.remove(&n.to_le_bytes());
    }
    writer.insert(b"", &vectors[0]).unwrap();
    let unlinked = writer.insert(b"fresh", &vectors[1]).unwrap().row;
    writer.insert(b"", &vectors[2]).unwrap();
    let (opened, left) = reopened(&writer);
    assert_eq!(left, [unlinked, RowId(unlinked.0 + 1)], "the row that died unlinked is not asked for");
    assert_eq!(shape(opened.index()), shape(writer.index()));
    assert!(opened.keys().eq(writer.keys()));
    for vector in &vectors[..sized(3, 40)] {
        assert_eq!(searched(opened.index(), vector, 10, 40), searched(writer.index(), vector, 10, 40));
        assert_eq!(scanned(opened.index(), vector, 10), scanned(writer.index(), vector, 10));
    }
    assert_eq!(opened.get(b"fresh"), Some(unlinked));
    assert_eq!(opened.get(&0_u32.to_le_bytes()), None);
}

#[test]
fn an_opened_index_grows_and_can_be_captured_again() {
    let vectors = random_vectors(32, sized(40, 300), 7);
    let mut writer = built(config(7, &L2), &vectors[..vectors.len() / 2]);
    let mut scratch = Scratch::new();
    for (n, vector) in vectors.iter().enumerate().skip(vectors.len() / 2) {
        if n % 25 == 0 {
            (writer, _) = reopened(&writer);
        }
        let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
        writer.index().link(row, &mut scratch);
    }
    writer.validate().unwrap();
    assert_eq!(
        shape(writer.index()),
        shape(built(config(7, &L2), &vectors).index()),
        "a restart leaves no trace"
    );
    assert!(writer.index().stats().mapped_bytes > 0);
}

#[test]
fn a_capture_taken_while_rows_are_inserted_and_linked_opens_as_it_was_taken() {
    let total = sized(60, 1_500);
    let vectors = random_vectors(33, total, 8);
    let mut writer = Writer::new(config(8, &L2));
    let index = Arc::clone(writer.index());
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let captures = std::thread::scope(|scope| {
        let linker = || {
            let mut scratch = Scratch::new();
            while !stop.load(Ordering::Acquire) || (next.load(Ordering::Acquire) as usize) < total {
                let row = next.load(Ordering::Acquire);
                if (row as usize) < index.rows()
                    && next.compare_exchange(row, row + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                {
                    index.link(RowId(row), &mut scratch);
                }
                std::hint::spin_loop();
            }
        };
        let _ = [(); 3].map(|()| scope.spawn(linker));
        let mut files = Vec::new();
        for (n, vector) in vectors.iter().enumerate() {
            writer.insert(&(n as u32).to_le_bytes(), vector).unwrap();
            if n % (total / 6) == 7 {
                let (capture, len) = (writer.capture(), writer.len());
                files.push(scope.spawn(move || (File::of(&capture), len)));
            }
        }
        stop.store(true, Ordering::Release);
        files.into_iter().map(|file| file.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(captures.len() >= 5);
    for (file, len) in captures {
        let Opened { writer, unlinked } = file.open().unwrap();
        writer.validate().unwrap();
        assert_eq!(writer.len(), len);
        assert_eq!(searched(writer.index(), &vectors[0], total, 1).len(), len);
        unlinked.iter().for_each(|row| writer.index().link(*row, &mut Scratch::new()));
        writer.validate().unwrap();
        assert_eq!(
            searched(writer.index(), &vectors[0], total, 1),
            scanned(writer.index(), &vectors[0], total)
        );
    }
}

#[test]
fn an_empty_index_survives() {
    let (opened, left) = reopened(&Writer::new(config(3, &Dot)));
    assert!(opened.is_empty() && left.is_empty());
    assert_eq!(opened.index().config().metric.name(), "dot");
}

#[test]
fn the_bytes_of_a_capture_never_change() {
    let config = Config {
        dim: 2,
        metric: &L2,
        m: 2,
        ef_construction: 10,
        seed: 0x0102_0304_0506_0712,
        ..config(2, &L2)
    };
    let mut writer = built(config, &[vec![1.0, 2.0], vec![3.0, 4.0]]);
    writer.insert(b"x", &[5.0, 6.0]).unwrap();
    writer.remove(&1_u32.to_le_bytes());
    let file = File::of(&writer.capture());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let kinds: Vec<u32> = file.sections.iter().map(|section| section.0.code()).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 5]);
    let header =
        "02000000 02000000 02000000 02000000 0a000000 1207060504030201 03000000 02000000 01000000 01000000";
    assert_eq!(hex(&file.sections[0].1), header.replace(' ', "") + "00000000");
    let facts = "00000000 00000000 02000000 00000000 01000000 03000000 00000000 00000000 00000000";
    assert_eq!(hex(&file.sections[0].2), facts.replace(' ', ""));
    let zeros = "00000000".repeat(14);
    let vectors = format!("0000803f00000040{zeros}0000404000008040{zeros}0000a0400000c040{zeros}");
    assert_eq!(hex(&file.sections[1].2), vectors);
    let ground = "02000000 00000000 00000000 00000000 01000000 00000000 00000000 00000000".replace(' ', "");
    assert_eq!(hex(&file.sections[2].2), ground + &"00".repeat(16));
    assert_eq!(hex(&file.sections[3].2), "02000000000000000100000000000000", "rows 0 and 1 reach layer 1");
    let keys = "0000000000000000 0400000000000000 0400000000000000 0500000000000000 00000000 78";
    assert_eq!(hex(&file.sections[4].2), keys.replace(' ', ""));
}

#[test]
fn a_header_of_the_first_version_is_an_index_without_codes() {
    let writer = built(config(3, &L2), &random_vectors(5, 30, 3));
    let mut file = File::of(&writer.capture());
    let header = &mut file.sections[0].1;
    header.truncate(44);
    header[0] = 1;
    let opened = file.open().unwrap();
    assert_eq!(opened.writer.index().config().quant, Quant::F32);
    assert_eq!(shape(opened.writer.index()), shape(writer.index()));
}

#[test]
fn the_bytes_of_codes_never_change() {
    let vectors = [vec![1.0, 2.0, -0.5], vec![3.0, 4.0, 0.0]];
    let golden = [
        (Quant::Int8, FACTS_INT8, CODES_INT8),
        (Quant::Int4, FACTS_INT4, CODES_INT4),
        (Quant::Bin, FACTS_BIN, CODES_BIN),
    ];
    for (quant, facts, codes) in golden {
        let file = File::of(&built(Config { quant, ..config(3, &L2) }, &vectors).capture());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&file.sections[0].1[44..]), format!("0{}000000", quant.code()));
        let shares = [&file.sections[0].2[12..20], &file.sections[0].2[32..]].concat();
        assert_eq!((file.sections[5].0, file.sections[5].1.len()), (SectionKind::Codes, 0));
        let stride = file.sections[5].2.len() / 2;
        let heads = [&file.sections[5].2[..3], &file.sections[5].2[stride..][..3]].concat();
        assert_eq!((hex(&shares), hex(&heads)), (facts.to_owned(), codes.to_owned()));
    }
}

const FACTS_INT8: &str = "0000a840185a063c0000c8416e47933c";
const CODES_INT8: &str = "4e006349008a";
const FACTS_INT4: &str = "0000a840aefa113e0000c84193749a3e";
const FACTS_BIN: &str = "0000a8401554c73f0000c841410f6740";
const CODES_BIN: &str = "000000040000";
const CODES_INT4: &str = "050006040008";

#[test]
fn codes_are_opened_from_the_map_and_refused_where_they_do_not_fit() {
    for quant in [Quant::Int8, Quant::Int4, Quant::Bin] {
        let vectors = random_vectors(6, 200, 20);
        let writer = built(Config { quant, ..config(20, &Cosine) }, &vectors);
        let mut file = File::of(&writer.capture());
        let mut opened = file.open().unwrap().writer;
        for (n, vector) in random_vectors(7, 50, 20).iter().enumerate() {
            let row = opened.insert(&(1_000 + n as u32).to_le_bytes(), vector).unwrap().row;
            opened.index().link(row, &mut Scratch::new());
        }
        let query = &random_vectors(8, 1, 20)[0];
        let (exact, all) = (scanned(opened.index(), query, 250), searched(opened.index(), query, 250, 250));
        assert_eq!(exact, all);
        let narrow = searched(opened.index(), query, 5, 60);
        assert!(narrow.iter().filter(|hit| exact[..5].contains(hit)).count() >= 4, "{quant:?}");
        for row in 0..200 {
            assert_eq!(opened.coding.code(row), writer.coding.code(row));
        }
        file.sections[5].2.pop();
        assert!(file.open().unwrap_err().to_string().contains("length of the codes"));
        let codes = file.sections.pop().unwrap();
        assert!(file.open().unwrap_err().to_string().contains("set of sections"));
        let mut plain = File::of(&built(config(20, &Cosine), &vectors).capture());
        plain.sections.push(codes);
        assert!(plain.open().unwrap_err().to_string().contains("set of sections"));
    }
}

/// A map that shows other bytes once it has rotted.
struct Rotting {
    fresh: Arc<dyn Map>,
    rotten: Arc<dyn Map>,
    has: Arc<AtomicBool>,
}

// SAFETY: both maps keep their bytes; the tests read no slice across the change.
unsafe impl Map for Rotting {
    fn bytes(&self) -> &[u8] {
        if self.has.load(Ordering::Relaxed) { self.rotten.bytes() } else { self.fresh.bytes() }
    }
}

#[test]
fn a_map_that_has_changed_is_not_copied_into_the_next_snapshot() {
    let config = Config { quant: Quant::Int8, ..config(20, &Cosine) };
    let file = File::of(&built(config, &random_vectors(33, 30, 20)).capture());
    let lengths: Vec<usize> = file.sections.iter().map(|(_, _, payload)| payload.len()).collect();
    let place =
        |section: usize| -> usize { lengths[..section].iter().map(|len| len.next_multiple_of(64)).sum() };
    for at in [place(1), place(1) + lengths[1] - 1, place(5) + lengths[5] - 1] {
        let has = Arc::new(AtomicBool::new(false));
        let opened = file.open_through(|content| {
            let mut other = content.clone();
            other[at] ^= 1;
            let (fresh, rotten) = (Bytes::map(&content), Bytes::map(&other));
            Arc::new(Rotting { fresh, rotten, has: Arc::clone(&has) })
        });
        let capture = opened.unwrap().writer.capture();
        assert_eq!(File::of(&capture), file);
        has.store(true, Ordering::Relaxed);
        let mut copy = File::default();
        assert!(capture.write(&mut copy).unwrap_err().to_string().contains("has changed on the disk"));
        assert_eq!(copy.sections.len(), lengths.len(), "it is looked at when all was read");
    }
}
