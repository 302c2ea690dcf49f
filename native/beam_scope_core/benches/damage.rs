//! What a damaged file costs: `cargo bench -p beam_scope_core --bench damage FILE [TRUNCATIONS] [FLIPS]` cuts the file at places
//! spread over it, flips single bits, and opens and reads each. It stops with an error where one panics, takes longer than a few times
//! what the whole file takes, holds more memory, or says anything else before the damage than the file itself.

use std::time::{Duration, Instant};

use beam_scope_core::store::Recording;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let Some(path) = args.next() else {
        return println!("give the path of a recording to damage");
    };
    let mut number = |default| args.next().and_then(|arg| arg.parse().ok()).unwrap_or(default);
    let (cuts, flips) = (number(1_000), number(10_000));
    let bytes = std::fs::read(&path).expect("a file");
    let began = Instant::now();
    let whole = rows(bytes.clone()).expect("a recording");
    let most = (began.elapsed() * 10).max(Duration::from_secs(1));
    println!(
        "{path}: {} bytes, {} events, read in {:.1?}",
        bytes.len(),
        whole.len(),
        began.elapsed()
    );

    let mut told = Told::new(most);
    for n in 0..cuts {
        let cut = (bytes.len() as u64 * n / cuts) as usize;
        told.add(&whole, || rows(bytes[..cut].to_vec()));
    }
    told.print("truncations");
    let mut told = Told::new(most);
    for n in 0..flips {
        let mut damaged = bytes.clone();
        let at = (bytes.len() as u64 * n / flips) as usize;
        damaged[at] ^= 1 << (n % 8);
        told.add(&whole, || rows(damaged));
    }
    told.print("flipped bits");
}

/// Position and time of every event that can be read, and a fingerprint of its terms.
type Rows = Vec<(u64, u64, u64)>;

fn rows(bytes: Vec<u8>) -> Option<Rows> {
    let rec = Recording::from_bytes(bytes).ok()?;
    let mut all = Vec::new();
    for chunk in rec.chunks().iter().filter(|chunk| !chunk.carried) {
        let Ok(view) = rec.view(chunk) else { continue };
        for row in view.rows() {
            let print = row
                .terms
                .iter()
                .fold(0u64, |print, id| print.rotate_left(5) ^ view.arena.content_hash(*id));
            all.push((row.seq, row.at_ns, print));
        }
    }
    let counts = rec.counts();
    assert_eq!(counts.offered, counts.stored + counts.dropped, "the account");
    assert_eq!(counts.stored, all.len() as u64, "what is stored can be read");
    Some(all)
}

struct Told {
    most: Duration,
    refused: u64,
    whole: u64,
    part: u64,
    rows: u64,
    slowest: Duration,
    resident: f64,
}

impl Told {
    fn new(most: Duration) -> Self {
        Self {
            most,
            refused: 0,
            whole: 0,
            part: 0,
            rows: 0,
            slowest: Duration::ZERO,
            resident: 0.0,
        }
    }

    fn add(&mut self, whole: &Rows, read: impl FnOnce() -> Option<Rows>) {
        let began = Instant::now();
        let found = read();
        let took = began.elapsed();
        assert!(took <= self.most, "it took {took:?}");
        self.slowest = self.slowest.max(took);
        self.resident = self.resident.max(resident());
        let Some(found) = found else {
            self.refused += 1;
            return;
        };
        let mut own = whole.iter();
        for row in &found {
            assert!(own.any(|one| one == row), "event {} is not what it was", row.0);
        }
        self.rows += found.len() as u64;
        if found.len() == whole.len() {
            self.whole += 1;
        } else {
            self.part += 1;
        }
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {} read whole, {} in part, {} refused; {} events read, all as they were; the slowest {:.1?}, at most {:.0} MB \
             resident",
            self.whole, self.part, self.refused, self.rows, self.slowest, self.resident
        );
    }
}

/// Resident memory in MB, where the system tells.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0 / 1e6
}
