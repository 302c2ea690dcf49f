//! How the engine reaches a recording.

use super::{Recording, Status, StopReason};
use crate::capture::record::Header;
use crate::capture::sink::RecordSink;

impl RecordSink for Recording {
    fn append(&self, header: &Header, payload: &[u8]) {
        Self::append(self, header, payload);
    }

    fn lost(&self, pid: u64, count: u64, until_ns: u64) {
        Self::lost(self, pid, count, until_ns);
    }

    fn drained(&self, until_ns: u64) {
        Self::drained(self, until_ns);
    }

    fn accepts(&self) -> bool {
        self.status() == Status::Running
    }

    fn has_forgotten(&self) -> bool {
        Self::has_forgotten(self)
    }

    fn ring_bytes(&self, share: usize) {
        self.set_ring_bytes(share);
    }

    fn failed(&self, what: &str) {
        self.stop(StopReason::Error(what.to_owned()));
    }
}
