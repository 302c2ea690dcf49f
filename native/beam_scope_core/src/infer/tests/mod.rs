//! Recordings made by hand, and what is found in them, in short.

mod bounds;
mod fields;
mod kit;
mod laws;
mod mail;
mod naive;
mod pairs;
mod recordings;
mod steps;
