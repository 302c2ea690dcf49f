//! What happens once when the VM loads the library.

use beam_scope_core::reserve;
use beam_scope_core::store::StopReason;
use rustler::{Env, Term};

use crate::abi::ABI;
use crate::{recording, tracer, vm};

/// Refuses a module of another version: `info` is the ABI that it was compiled for, and terms to learn from.
pub(crate) fn load<'a>(env: Env<'a>, info: Term<'a>) -> bool {
    let Ok((abi, samples)) = info.decode::<(u32, Term<'a>)>() else {
        return false;
    };
    if abi != ABI {
        return false;
    }
    // Where there is no memory for it now, the first recording asks again.
    reserve::fill();
    tracer::quiet_panics();
    if !tracer::tags::make(env) {
        return false;
    }
    vm::remember(vm::learn::learn(env, samples));
    // Recordings of a module that was purged: nobody can reach them any more.
    recording::stop_all(&StopReason::Other("reloaded".into()));
    pin();
    true
}

/// Keeps the library mapped for the life of the VM, since the drainer's thread runs in it. Elsewhere than on macOS the
/// linker marked it so (see build.rs).
#[cfg(target_os = "macos")]
fn pin() {
    use std::ffi::{c_char, c_int, c_void};

    #[repr(C)]
    struct DlInfo {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }

    extern "C" {
        fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
        fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    }

    const RTLD_LAZY: c_int = 1;
    const RTLD_NODELETE: c_int = 0x80;
    let mut info = DlInfo {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        address: std::ptr::null_mut(),
    };
    // SAFETY: dladdr only writes `info`, whose layout is the platform's; the name it gives is valid while the library is
    // mapped, which it is: this code runs in it. A handle that is never closed is what keeps it mapped.
    unsafe {
        if dladdr(pin as *const c_void, &mut info) != 0 && !info.file.is_null() {
            dlopen(info.file, RTLD_LAZY | RTLD_NODELETE);
        }
    }
}

#[cfg(not(target_os = "macos"))]
fn pin() {}
