//! Recordings made by hand, compared.

mod kit;
mod laws;
mod orders;
mod prints;
mod same;
mod splits;
mod unknown;
