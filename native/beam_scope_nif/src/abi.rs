//! Which interface this library has, told before and after it is loaded.

/// The interface between this library and `BeamScope.Native`: raised here, in native.ex and in mix.exs together, whenever
/// the set of functions or what they take and give changes.
pub(crate) const ABI: u32 = 8;

/// Found in the file by the Mix compiler, which must not load a library that was built for another machine.
#[used]
static MARK: &[u8] = b"beam_scope_nif abi 8;";

/// The ABI and the version of the crate.
#[rustler::nif]
fn abi_version() -> (u32, &'static str) {
    (ABI, env!("CARGO_PKG_VERSION"))
}
