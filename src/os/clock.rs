//! The system's clocks, and calendar dates from them.

use crate::base::time::{Mono, Wall};
use crate::env::Clock;

/// The real time. Every value reads the same clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Mono {
        let time = read(libc::CLOCK_MONOTONIC);
        Mono(seconds(&time) * 1_000_000_000 + nanos(&time))
    }

    fn wall(&self) -> Wall {
        let time = read(libc::CLOCK_REALTIME);
        Wall(seconds(&time) * 1_000_000 + nanos(&time) / 1_000)
    }
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    let ret = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(ret, 0, "a clock that every supported system has");
    time
}

/// A clock set before 1970 counts as standing at 1970.
fn seconds(time: &libc::timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0)
}

fn nanos(time: &libc::timespec) -> u64 {
    u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// `2026-11-22 10:39:28.123` in UTC.
pub(super) fn stamp(at: Wall) -> String {
    let millis = at.millis();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, millis) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}")
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar.
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms" (`civil_from_days`), here for days that are not
/// negative: years are counted from March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01; an era is 400 years, always 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_follows_the_day_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..800 * 366 {
            assert_eq!(civil(days), (year, month, day), "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn a_stamp_reads_as_a_date() {
        assert_eq!(stamp(Wall(0)), "1970-01-01 00:00:00.000");
        assert_eq!(stamp(Wall(951_827_696_789_000)), "2000-02-29 12:34:56.789");
        assert_eq!(stamp(Wall(1_795_344_768_123_999)), "2026-11-22 10:52:48.123");
    }

    #[test]
    fn monotonic_time_goes_on_and_wall_time_is_this_century() {
        let before = SystemClock.now();
        while SystemClock.now() == before {}
        assert!(SystemClock.now() > before);
        assert!(SystemClock.wall().millis() > 1_700_000_000_000);
    }
}
