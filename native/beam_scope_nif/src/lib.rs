//! The NIF library of BeamScope: what stands between the VM and `beam_scope_core`. This file is a list.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abi;
mod answer;
mod atoms;
mod calls;
mod captured;
mod decode;
mod encode;
mod engine;
mod fault;
mod load;
mod maps;
mod recording;
mod resource;
mod tracer;
mod vm;

/// One that is not at its end where the system's is.
#[global_allocator]
static ALLOCATOR: beam_scope_core::reserve::Frugal = beam_scope_core::reserve::Frugal(std::alloc::System);

rustler::init!("Elixir.BeamScope.Native", load = load::load);
