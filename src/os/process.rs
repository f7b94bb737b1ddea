//! Facts about this process and its machine, for INFO and for limits.
//!
//! They are for people and for rough bounds. Where the system will not say, the answer is zero.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use super::sys::{cvt, retry};
use crate::env::{Facts, Host};

/// This process on its machine.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Host for Process {
    fn facts(&self) -> Facts {
        let CpuTime { user, system } = cpu_time();
        Facts { pid: pid(), resident: resident_bytes(), memory: total_memory(), user, system }
    }

    fn give_way(&self) -> fn(u8) {
        give_way
    }
}

/// Processor time that this process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In its own code.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

/// This process's id.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// Processor time used so far, all threads together.
#[must_use]
pub fn cpu_time() -> CpuTime {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: zeros are a valid rusage, and so is what the kernel wrote.
    let usage = unsafe { usage.assume_init() };
    CpuTime { user: span(usage.ru_utime), system: span(usage.ru_stime) }
}

fn span(time: libc::timeval) -> Duration {
    let (seconds, micros) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec));
    Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
}

/// Makes the calling thread so much nicer than the process is, at most by all that there is.
#[cfg(target_os = "linux")]
fn give_way(by: u8) {
    // The caller's own value, whatever it is: an error looks like -1, and then nothing is changed that matters.
    // SAFETY: a call without memory of ours; zero is the calling thread (setpriority(2), "C library/kernel differences").
    let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // A thread that may not step back goes on as it is.
    // SAFETY: as above.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, now.saturating_add(by.into()).min(NICEST)) };
}

/// The most that a thread can step back.
#[cfg(target_os = "linux")]
const NICEST: libc::c_int = 19;

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn give_way(_by: u8) {}

/// Bytes of this process that are in memory now, maps of files included.
#[cfg(target_os = "linux")]
#[must_use]
pub fn resident_bytes() -> u64 {
    // Sizes in pages; the second one is the resident set (proc_pid_statm(5)).
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * config(libc::_SC_PAGESIZE)
}

/// Bytes of this process that are in memory now, maps of files included.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn resident_bytes() -> u64 {
    let mut info = MaybeUninit::<libc::proc_taskinfo>::zeroed();
    let (flavor, size) = (libc::PROC_PIDTASKINFO, size_of::<libc::proc_taskinfo>() as libc::c_int);
    let pid = pid().cast_signed();
    // SAFETY: `info` is writable for `size` bytes.
    unsafe { libc::proc_pidinfo(pid, flavor, 0, info.as_mut_ptr().cast(), size) };
    // SAFETY: zeros are a valid structure of numbers, and so is what the kernel wrote.
    unsafe { info.assume_init() }.pti_resident_size
}

/// Memory of the machine in bytes. A container's own bound is not looked at.
#[must_use]
pub fn total_memory() -> u64 {
    config(libc::_SC_PHYS_PAGES) * config(libc::_SC_PAGESIZE)
}

fn config(name: libc::c_int) -> u64 {
    // SAFETY: no memory is passed.
    u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(0)
}

/// Tells the allocator to give small blocks back one by one. glibc otherwise gathers them and merges all at once: after a
/// million deletions that was seen to stop the loop for half a second.
pub(super) fn steady_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: no memory is passed; an allocator that refuses goes on as it was.
        unsafe { libc::mallopt(libc::M_MXFAST, 0) };
    }
}

/// Ends this process as `kill -9` does: nothing is run, nothing is written any more.
#[cfg(feature = "lossy")]
pub(super) fn kill_now() -> ! {
    // SAFETY: no memory is passed.
    unsafe { libc::raise(libc::SIGKILL) };
    std::process::abort()
}

/// Asks for `wanted` descriptors and returns how many this process may have: fewer where the system does not allow
/// them, more where they were there already.
///
/// # Errors
/// The kernel's when the limit cannot be read; that it cannot be raised is no error.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let now = descriptor_limit()?;
    if now.rlim_cur >= wanted {
        return Ok(now.rlim_cur);
    }
    // Root may go past the hard limit; others up to it. macOS answers EINVAL above OPEN_MAX even where the hard limit
    // says infinity, so that is the last step there.
    let within = now.rlim_max.min(wanted);
    let steps =
        [(wanted, now.rlim_max.max(wanted)), (within, now.rlim_max), (OPEN_MAX.min(within), now.rlim_max)];
    for (rlim_cur, rlim_max) in steps {
        let limit = libc::rlimit { rlim_cur, rlim_max };
        // SAFETY: `limit` is readable.
        if rlim_cur > now.rlim_cur && unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
            break;
        }
    }
    Ok(descriptor_limit()?.rlim_cur)
}

/// macOS' OPEN_MAX (sys/syslimits.h).
const OPEN_MAX: u64 = 10_240;

fn descriptor_limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable.
    cvt(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(limit)
}

/// A random number that nobody can guess, from the kernel.
///
/// # Errors
/// The kernel's; a system without random numbers should not go on.
pub fn entropy() -> io::Result<u64> {
    let mut bytes = [0_u8; 8];
    // SAFETY: `bytes` is writable for its length, which is below the call's bound of 256.
    retry(|| cvt(unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) }))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_plausible() {
        let block = vec![1_u8; 16 << 20];
        let resident = resident_bytes();
        assert!(resident >= block.len() as u64, "{resident} bytes resident with {} in use", block.len());
        assert!(total_memory() > resident);
        assert_eq!(pid(), std::process::id());
    }

    #[test]
    fn work_takes_processor_time() {
        let before = cpu_time();
        let mut sum = 0_u64;
        while cpu_time().user == before.user && cpu_time().system == before.system {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_time().user + cpu_time().system > before.user + before.system);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_gives_way_by_itself_and_no_further_than_there_is() {
        // SAFETY: a call without memory of ours.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        let theirs = crate::base::sync::spawn("nice", move || {
            let by = |by| (give_way(by), nice()).1;
            assert_eq!([3, 200].map(by), [(before + 3).min(NICEST), NICEST]);
        });
        theirs.unwrap().join().unwrap();
        assert_eq!(nice(), before, "the other threads are as they were");
    }

    #[test]
    fn entropy_differs() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }

    #[test]
    fn a_limit_that_is_there_already_is_left_alone() {
        let now = descriptor_limit().unwrap().rlim_cur;
        assert_eq!(raise_descriptor_limit(1).unwrap(), now);
    }
}
