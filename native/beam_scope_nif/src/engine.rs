//! The engine of this VM.

use std::sync::{Arc, OnceLock};

use beam_scope_core::capture::engine::{Engine, Host, RingConfig, ThreadKind};
use rustler::sys::{self, ErlNifSysInfo};

use crate::tracer::config::Capture;

static ENGINE: OnceLock<Engine<Capture>> = OnceLock::new();

/// The engine, if a recording was ever opened.
#[inline]
pub(crate) fn get() -> Option<&'static Engine<Capture>> {
    ENGINE.get()
}

/// The engine, made now if there is none. At rest it has no thread and no rings.
pub(crate) fn get_or_make() -> &'static Engine<Capture> {
    ENGINE.get_or_init(|| Engine::new(Arc::new(Vm)))
}

struct Vm;

impl Host for Vm {
    fn thread_kind(&self) -> ThreadKind {
        // SAFETY: asks for nothing but the kind of the calling thread.
        match unsafe { sys::enif_thread_type() } {
            sys::ERL_NIF_THR_NORMAL_SCHEDULER => ThreadKind::Scheduler,
            _ => ThreadKind::Dirty,
        }
    }

    fn drainer_started(&self) {
        go_first();
    }

    fn thread_ns(&self) -> Option<u64> {
        thread_ns()
    }
}

/// When every core is busy, a drainer that waits for its turn lets rings run full. It works for moments only, so it may go
/// first where the system allows that to this user; elsewhere it stays as it is.
#[cfg(target_os = "linux")]
fn go_first() {
    use std::ffi::{c_int, c_uint};

    extern "C" {
        fn setpriority(which: c_int, who: c_uint, priority: c_int) -> c_int;
    }

    const PRIO_PROCESS: c_int = 0;
    // SAFETY: changes a number of the calling thread (on Linux, 0 means the thread, not the process), or nothing.
    unsafe {
        setpriority(PRIO_PROCESS, 0, -10);
    }
}

#[cfg(not(target_os = "linux"))]
fn go_first() {}

/// The time that the calling thread has had a processor.
#[cfg(target_os = "linux")]
fn thread_ns() -> Option<u64> {
    use std::ffi::{c_int, c_long};

    #[repr(C)]
    struct Timespec {
        seconds: c_long,
        nanoseconds: c_long,
    }

    extern "C" {
        fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    }

    const CLOCK_THREAD_CPUTIME_ID: c_int = 3;
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: writes the structure that it is given, which has the system's layout where `long` is as wide as its `time_t`.
    let answer = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    let (seconds, nanoseconds) = (time.seconds as u64, time.nanoseconds as u64);
    (answer == 0 && size_of::<c_long>() == 8).then(|| seconds * 1_000_000_000 + nanoseconds)
}

#[cfg(not(target_os = "linux"))]
fn thread_ns() -> Option<u64> {
    None
}

/// The rings for this VM: large ones for its schedulers, small ones for dirty schedulers.
pub(crate) fn rings(scheduler_bytes: Option<usize>) -> RingConfig {
    let schedulers = schedulers();
    let default = RingConfig::default();
    let bytes = scheduler_bytes.unwrap_or(default.scheduler_bytes);
    RingConfig {
        scheduler_rings: schedulers,
        scheduler_bytes: bytes,
        dirty_rings: schedulers + 10,
        dirty_bytes: default.dirty_bytes.min(bytes),
    }
}

fn schedulers() -> usize {
    let mut info = std::mem::MaybeUninit::<ErlNifSysInfo>::zeroed();
    // SAFETY: the VM fills at most as many bytes as it is told, of a structure of plain numbers and pointers.
    let count = unsafe {
        sys::enif_system_info(info.as_mut_ptr(), size_of::<ErlNifSysInfo>());
        info.assume_init().scheduler_threads
    };
    usize::try_from(count).unwrap_or(1).max(1)
}
