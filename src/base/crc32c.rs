//! CRC-32C (Castagnoli), the checksum of every record and section on disk.
//!
//! Reflected polynomial 0x82f63b78, initial value and final xor all ones, as in RFC 3720 appendix B.4. Software
//! only, sixteen bytes a step ("slicing-by-16", after Kounavis and Berry, ISCC 2005): fast enough that opening a
//! snapshot is bounded by reading it, and the same on every machine.

const POLYNOMIAL: u32 = 0x82f6_3b78;
const STRIDE: usize = 16;

static TABLES: [[u32; 256]; STRIDE] = tables();

const fn tables() -> [[u32; 256]; STRIDE] {
    let mut t = [[0_u32; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        t[0][byte] = crc;
        byte += 1;
    }
    let mut step = 1;
    while step < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let before = t[step - 1][byte];
            t[step][byte] = (before >> 8) ^ t[0][(before & 0xff) as usize];
            byte += 1;
        }
        step += 1;
    }
    t
}

/// The checksum of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    extend(0, bytes)
}

/// The checksum of what `crc` covers followed by `bytes`: `extend(crc32c(a), b) == crc32c(ab)`.
#[must_use]
pub fn extend(crc: u32, bytes: &[u8]) -> u32 {
    let mut state = !crc;
    let (blocks, rest) = bytes.as_chunks::<STRIDE>();
    for block in blocks {
        let mut mixed = *block;
        for (byte, carried) in mixed.iter_mut().zip(state.to_le_bytes()) {
            *byte ^= carried;
        }
        state = 0;
        for (i, byte) in mixed.iter().enumerate() {
            state ^= TABLES[STRIDE - 1 - i][usize::from(*byte)];
        }
    }
    for byte in rest {
        state = (state >> 8) ^ TABLES[0][usize::from(state as u8 ^ byte)];
    }
    !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_vectors_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let up: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&up), 0x46dd_794e);
    }

    #[test]
    fn cutting_anywhere_and_extending_gives_the_whole() {
        let data: Vec<u8> = (0..200_u32).map(|i| (i * 31 % 251) as u8).collect();
        for cut in 0..=data.len() {
            assert_eq!(extend(crc32c(&data[..cut]), &data[cut..]), crc32c(&data), "cut at {cut}");
        }
    }

    #[test]
    fn every_single_bit_flip_is_seen() {
        let data = [0x5a_u8; 100];
        let sum = crc32c(&data);
        for bit in 0..800 {
            let mut flipped = data;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(crc32c(&flipped), sum, "bit {bit}");
        }
    }
}
