//! How a recording is limited, and how it stands.

use std::sync::Arc;

use super::budget::Budget;

/// What happens when a recording reaches its memory cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It stops.
    #[default]
    Stop,
    /// Its oldest chunk goes, as often as needed.
    Ring,
}

/// Limits of a recording. What is `None` is not limited.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Most bytes held: backlog, chunks, decoded views, and the recording's share of the rings.
    pub max_bytes: usize,
    /// Most events stored.
    pub max_events: Option<u64>,
    /// Longest time from start to last event.
    pub max_ms: Option<u64>,
    /// More than so many events within so many milliseconds stop the recording.
    pub rate: Option<(u64, u64)>,
    /// What happens at [`max_bytes`](Self::max_bytes).
    pub mode: Mode,
    /// In [`Mode::Ring`]: what is older than so many milliseconds goes too, chunk by chunk.
    pub keep_ms: Option<u64>,
    /// Events in a chunk.
    pub chunk_events: usize,
    /// The memory that this recording shares with others; `None`: with all that name no other.
    pub budget: Option<Arc<Budget>>,
    /// The engine's clock at the start: events' times are counted from here.
    pub start_ns: u64,
    /// The same moment in nanoseconds of Unix time.
    pub start_unix_ns: u64,
    /// What each bit of a pid word adds to the two numbers that a pid prints as, number and serial. Empty: nobody knows.
    pub pid_shape: Vec<(u32, u32)>,
}

impl StoreConfig {
    /// Events in a chunk, unless told otherwise: a chunk decodes in a few milliseconds.
    pub const CHUNK_EVENTS: usize = 16_384;
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_events: None,
            max_ms: None,
            rate: None,
            mode: Mode::Stop,
            keep_ms: None,
            chunk_events: Self::CHUNK_EVENTS,
            budget: None,
            start_ns: 0,
            start_unix_ns: 0,
            pid_shape: Vec::new(),
        }
    }
}

/// Why a recording stopped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum StopReason {
    /// Somebody asked for it.
    Requested,
    /// The limit of events.
    Events,
    /// The memory cap, its own or that of all recordings together.
    Bytes,
    /// The limit of time.
    Time,
    /// Too many events in too short a time.
    Rate,
    /// Its owner died.
    OwnerDown,
    /// It was closed: nothing of it is left.
    Closed,
    /// Another reason, in the words of whoever stopped it.
    Other(String),
    /// Something of ours failed.
    Error(String),
    // Files have the place in this list: new ones go to its end.
    /// It is what another one held at a moment; that one goes on.
    Frozen,
}

/// Whether a recording takes events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Running,
    /// It does not.
    Stopped(StopReason),
}
