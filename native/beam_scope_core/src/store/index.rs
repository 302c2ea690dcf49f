//! The readers' side of a recording: rows, tracks, chunks.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::backlog::Records;
use super::cache::Cache;
use super::carry;
use super::chunk::{self, ChunkHeader};
use super::config::StoreConfig;
use super::error::StoreError;
use super::file::{Damage, Filed};
use super::intake::Tail;
use super::kinds::Kinds;
use super::losses::Losses;
use super::row::{Counts, EventRow, Loss, LossCause, Terms, TrackId, TrackInfo};
use super::sealed::{count, Body, ChunkRef, Found, Sealed, CARRIED};
use super::streams::Streams;
use super::tracks::Tracks;
use super::view::ChunkView;
use super::AtomSource;
use crate::capture::record::{flags, Header};
use crate::event::{EventKind, Fields};
use crate::term::arena::Arena;
use crate::term::{AtomId, Kind, Value};

/// A chunk that would repeat much is so many times as long as another.
const LONG: usize = 2;
/// So many chunks go at once at most: each is decoded for it.
const AT_ONCE: usize = 8;

/// What readers see, under one lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) tracks: Tracks,
    pub(crate) open: Arc<ChunkView>,
    open_index: u64,
    pub(crate) sealed: VecDeque<Sealed>,
    sealed_bytes: usize,
    pub(crate) carried: Option<Arc<ChunkView>>,
    cache: Cache,
    pub(crate) next_seq: u64,
    pub(crate) last_ns: u64,
    pub(crate) losses: Losses,
    /// How many losses are told by sealed chunks.
    losses_sealed: usize,
    /// Of what was dropped after it had been stored.
    pub(crate) evicted: Counts,
    evicted_span: Option<(u64, u64)>,
    /// Of what is gone, what could not be read where it was kept.
    damaged: u64,
    /// What is wrong with the file that it was read from.
    pub(crate) damage: Damage,
    /// What makes processes what they are, of a file that has it apart.
    pub(crate) summary: Option<Arc<[ChunkView]>>,
    /// The atoms of all chunks that were sealed.
    atoms: BTreeSet<AtomId>,
    pub(crate) closed: bool,
    /// A block that is being read.
    work: Option<Records>,
    /// What records of living tracks refer back to.
    streams: Streams,
    /// Rows that turned out to be cut when they were read: no writer has marked them, and no account counted them.
    pub(crate) found_cut: u64,
}

/// What indexing needs of its recording.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a StoreConfig,
    pub(crate) atoms: &'a dyn AtomSource,
}

impl Context<'_> {
    /// An open chunk is sealed at this size at the latest.
    fn open_bytes(&self) -> usize {
        (self.config.max_bytes / 8).clamp(64 << 10, 32 << 20)
    }

    /// What is carried forward may take so many.
    const fn carried_bytes(&self) -> usize {
        self.config.max_bytes / 4
    }

    /// So many bytes of decoded chunks are kept.
    fn cache_bytes(&self) -> usize {
        (self.config.max_bytes / 8).min(64 << 20)
    }
}

impl Index {
    /// What is left of a recording that was closed.
    pub(crate) fn closed() -> Self {
        Self {
            closed: true,
            ..Self::default()
        }
    }

    pub(crate) fn give(&mut self, work: Records) {
        self.work = Some(work);
    }

    /// Indexes up to `most` records of the block at hand; `false` when there are none left.
    pub(crate) fn work(&mut self, context: &Context<'_>, most: usize) -> bool {
        let Some(mut work) = self.work.take() else { return false };
        for _ in 0..most {
            let Some((header, payload)) = work.next() else {
                return false;
            };
            self.take(context, &header, payload);
        }
        self.work = Some(work);
        true
    }

    fn take(&mut self, context: &Context<'_>, header: &Header, payload: &[u8]) {
        let Some(kind) = EventKind::from_u8(header.kind) else {
            return;
        };
        let at_ns = header.time.saturating_sub(context.config.start_ns).max(self.last_ns);
        let seq = self.next_seq;
        let from_ns = self.tracks.current(header.pid).map_or(0, |info| info.last_ns);
        let track = self.tracks.enter(header.pid, kind, seq, at_ns);
        if header.lost > 0 {
            let count = u64::from(header.lost);
            self.tracks.lost(header.pid, count);
            let (track, pid) = (Some(track), header.pid);
            self.losses.push(Loss {
                track,
                pid,
                from_ns,
                to_ns: at_ns,
                count,
                cause: LossCause::Ring,
            });
        }
        let open = Arc::make_mut(&mut self.open);
        let (terms, whole) = if header.flags & flags::STREAM != 0 {
            self.streams
                .read(track, header, payload, &mut open.arena, self.open_index)
        } else {
            read_terms(&mut open.arena, header.terms, payload)
        };
        let cut = if whole { 0 } else { flags::TRUNCATED };
        self.found_cut += u64::from(!whole && header.flags & flags::TRUNCATED == 0);
        let flags = header.flags & !flags::STREAM | cut;
        if kind == EventKind::Exit {
            self.streams.end(track);
        }
        // What nobody looked for is no loss in the account, but as little is known after it.
        let unseen = u32::from(header.flags & flags::UNSEEN != 0);
        let (point, fields, lost_before) = (header.point, Fields(header.fields), header.lost.max(unseen));
        open.push(EventRow {
            seq,
            at_ns,
            kind,
            point,
            fields,
            flags,
            track,
            lost_before,
            terms,
        });
        self.next_seq += 1;
        self.last_ns = at_ns;
        let (rows, bytes) = (open.rows().len(), open.bytes());
        if bytes >= context.open_bytes() || rows >= self.chunk_events(context) {
            self.seal(context);
        }
    }

    /// A chunk holds all that it needs. Where that is much against what is new in it, it takes more events.
    fn chunk_events(&self, context: &Context<'_>) -> usize {
        let most = if self.streams.repeats_itself() { LONG } else { 1 };
        context.config.chunk_events.saturating_mul(most)
    }

    /// Losses without a record come after the records before them.
    pub(crate) fn take_tail(&mut self, tail: Tail) {
        let Tail {
            pid,
            count,
            until_ns: to_ns,
        } = tail;
        let from_ns = self.tracks.current(pid).map_or(0, |info| info.last_ns).min(to_ns);
        let track = self.tracks.lost(pid, count);
        self.losses.push(Loss {
            track,
            pid,
            from_ns,
            to_ns,
            count,
            cause: LossCause::Ring,
        });
    }

    /// Closes the open chunk, if it has rows.
    pub(crate) fn seal(&mut self, context: &Context<'_>) {
        let view = std::mem::replace(&mut self.open, Arc::new(ChunkView::new(self.next_seq)));
        let Some(chunk) = ChunkRef::of(self.open_index, false, &view) else {
            return;
        };
        self.open_index += 1;
        let losses = self.losses.all().get(self.losses_sealed..).unwrap_or(&[]).to_vec();
        self.losses_sealed = self.losses.all().len();
        let header = self.header(context, &chunk, &view, losses);
        self.atoms.extend(header.atoms.iter().map(|(id, _)| AtomId(*id)));
        match chunk::encode(&view, header) {
            Ok(bytes) => {
                self.push_sealed(Sealed::new(chunk, bytes, &view));
                self.cache.put(chunk.index, &view, context.cache_bytes());
            }
            // A header past its limit; no chunk has that many tracks. Nothing may be lost without being counted.
            Err(_) => self.count_evicted(&count(view.rows()), chunk.first_ns, chunk.last_ns),
        }
    }

    fn push_sealed(&mut self, sealed: Sealed) {
        self.sealed_bytes += sealed.bytes();
        self.sealed.push_back(sealed);
    }

    fn header(&self, context: &Context<'_>, chunk: &ChunkRef, view: &ChunkView, losses: Vec<Loss>) -> ChunkHeader {
        let text = |id: AtomId| (id.0, context.atoms.text(id).map_or_else(String::new, String::from));
        let mut atoms: Vec<AtomId> = view.arena.atoms().collect();
        atoms.sort_unstable();
        atoms.dedup();
        let (tracks, kinds) = view
            .kinds_by_track()
            .into_iter()
            .filter_map(|(id, kinds)| self.tracks.get(id).map(|info| (info.clone(), kinds)))
            .unzip();
        ChunkHeader {
            index: chunk.index,
            carried: chunk.carried,
            start_unix_ns: context.config.start_unix_ns,
            tracks,
            kinds,
            atoms: atoms.into_iter().map(text).collect(),
            losses,
            counts: count(view.rows()),
            ..ChunkHeader::default()
        }
    }

    /// Every chunk at rest, the carried and the open one too, for a file.
    pub(crate) fn all_sealed(&self, context: &Context<'_>) -> Result<Vec<Sealed>, StoreError> {
        let seal = |index: u64, carried: bool, view: &ChunkView| -> Result<Option<Sealed>, StoreError> {
            let Some(chunk) = ChunkRef::of(index, carried, view) else {
                return Ok(None);
            };
            let bytes = chunk::encode(view, self.header(context, &chunk, view, Vec::new()))?;
            Ok(Some(Sealed::new(chunk, bytes, view)))
        };
        let carried = self.carried.as_deref().map(|view| seal(CARRIED, true, view));
        let open = seal(self.open_index, false, &self.open)?;
        Ok(carried
            .transpose()?
            .flatten()
            .into_iter()
            .chain(self.sealed.iter().cloned())
            .chain(open)
            .collect())
    }

    /// The atoms of all chunks.
    pub(crate) fn atoms(&self) -> BTreeSet<AtomId> {
        let views = [self.carried.as_deref(), Some(&*self.open)];
        let held = views.into_iter().flatten().flat_map(|view| view.arena.atoms());
        self.atoms.iter().copied().chain(held).collect()
    }

    /// The oldest sealed chunk that is not older than this one.
    pub(crate) fn sealed_from(&self, index: u64) -> Option<&Sealed> {
        let at = self.sealed.partition_point(|one| one.chunk.index < index);
        self.sealed.get(at)
    }

    /// A chunk's bytes are in a file: memory lets go of them.
    pub(crate) fn moved(&mut self, index: u64, filed: Filed) {
        if let Ok(at) = self.sealed.binary_search_by_key(&index, |one| one.chunk.index) {
            let one = &mut self.sealed[at];
            self.sealed_bytes = self.sealed_bytes.saturating_sub(one.bytes());
            one.body = Body::Filed(filed);
            self.sealed_bytes += one.bytes();
        }
    }

    /// A chunk's bytes cannot be read: its rows are lost.
    pub(crate) fn damaged(&mut self, index: u64) {
        let Ok(at) = self.sealed.binary_search_by_key(&index, |one| one.chunk.index) else {
            return;
        };
        let one = &mut self.sealed[at];
        if std::mem::replace(&mut one.damaged, true) {
            return;
        }
        let (counts, first_ns, last_ns) = (one.counts.clone(), one.chunk.first_ns, one.chunk.last_ns);
        self.damage.chunks += 1;
        if cfg!(mutant = "file_damage_uncounted") {
            return;
        }
        self.damaged += counts.stored;
        self.evicted.add_rows(&counts);
        self.losses.push(Loss {
            track: None,
            pid: 0,
            from_ns: first_ns,
            to_ns: last_ns,
            count: counts.stored,
            cause: LossCause::Damaged,
        });
    }

    /// An index of what was read from a file. Chunks must come in the order of their rows.
    pub(crate) fn restore(restored: Restored) -> Result<Self, StoreError> {
        let Restored {
            tracks,
            losses,
            evicted,
            evicted_loss,
            damaged,
            next_seq,
            last_ns,
            chunks,
            summary,
            damage,
            atoms,
        } = restored;
        let mut index = Self {
            tracks: Tracks::restore(tracks),
            next_seq,
            last_ns,
            evicted,
            damaged,
            summary,
            damage,
            atoms,
            ..Self::default()
        };
        index.losses = Losses::restore(losses);
        index.evicted_span = evicted_loss.map(|loss| (loss.from_ns, loss.to_ns));
        for chunk in chunks {
            if chunk.chunk.carried {
                index.carried = Some(chunk.body.decode()?);
                continue;
            }
            let before = index.sealed.back().map(|last| &last.chunk);
            let follows =
                before.is_none_or(|last| last.index < chunk.chunk.index && last.first_seq < chunk.chunk.first_seq);
            if !follows || chunk.chunk.index >= CARRIED - 1 {
                return Err(StoreError::corrupt("chunks out of order"));
            }
            index.open_index = chunk.chunk.index + 1;
            index.push_sealed(chunk);
        }
        index.open = Arc::new(ChunkView::new(next_seq));
        Ok(index)
    }

    /// Drops the oldest chunks, so many that at least `bytes` come free and no more than [`AT_ONCE`]; what living tracks need of them is
    /// carried forward. `false`: there is none.
    pub(crate) fn evict(&mut self, context: &Context<'_>, bytes: usize) -> bool {
        let mut freed = 0;
        self.evict_while(context, |one| {
            let goes = freed < bytes || freed == 0;
            freed += one.bytes();
            goes
        })
    }

    /// To carry forward costs as much as is carried, whatever goes: so it is done for several chunks together.
    fn evict_while(&mut self, context: &Context<'_>, mut goes: impl FnMut(&Sealed) -> bool) -> bool {
        let mut views: Vec<Arc<ChunkView>> = self.carried.take().into_iter().collect();
        let carried = views.len();
        let mut went = 0;
        while went < AT_ONCE && self.sealed.front().is_some_and(&mut goes) {
            let Some(gone) = self.sealed.pop_front() else { break };
            went += 1;
            views.extend(self.cache.get(gone.chunk.index).or_else(|| gone.body.decode().ok()));
            self.sealed_bytes = self.sealed_bytes.saturating_sub(gone.bytes());
            self.cache.remove(gone.chunk.index);
            self.count_evicted(&gone.counts, gone.chunk.first_ns, gone.chunk.last_ns);
        }
        let oldest_ns = self.oldest_ns();
        if went > 0 && views.len() > carried {
            let is_over = |track| self.tracks.was_over_before(track, oldest_ns);
            self.carried = Some(carry::fold(&views, is_over, context.carried_bytes()));
        } else {
            self.carried = views.into_iter().next().filter(|_| carried > 0);
        }
        self.tracks.forget_before(oldest_ns);
        went > 0
    }

    /// The time of the oldest row that was not dropped.
    fn oldest_ns(&self) -> u64 {
        let sealed = self.sealed.front().map(|one| one.chunk.first_ns);
        let open = || self.open.rows().first().map(|row| row.at_ns);
        sealed.or_else(open).unwrap_or(self.last_ns)
    }

    /// Drops chunks whose last event is older than `before_ns`; `false`: there is none.
    pub(crate) fn evict_before(&mut self, context: &Context<'_>, before_ns: u64) -> bool {
        let mut went = false;
        while self.evict_while(context, |one| one.chunk.last_ns < before_ns) {
            went = true;
        }
        went
    }

    /// Whether the open chunk has been open since before that.
    pub(crate) fn is_open_since(&self, before_ns: u64) -> bool {
        self.open.rows().first().is_some_and(|row| row.at_ns < before_ns)
    }

    /// What readers see now, to be read apart from this. Shares the chunks at rest.
    pub(crate) fn snapshot(&self) -> Self {
        Self {
            // Not shared: whoever adds the next row would have to copy it.
            open: Arc::new((*self.open).clone()),
            cache: Cache::default(),
            ..self.clone()
        }
    }

    fn count_evicted(&mut self, gone: &Counts, first_ns: u64, last_ns: u64) {
        let evicted = &mut self.evicted;
        if cfg!(mutant = "store_evicts_uncounted") {
            return;
        }
        evicted.add_rows(gone);
        let from = self.evicted_span.map_or(first_ns, |(from, _)| from);
        self.evicted_span = Some((from, last_ns));
    }

    /// What was evicted, as one loss.
    pub(crate) fn evicted_loss(&self) -> Option<Loss> {
        let (from_ns, to_ns) = self.evicted_span?;
        Some(Loss {
            track: None,
            pid: 0,
            from_ns,
            to_ns,
            count: self.evicted_rows(),
            cause: LossCause::Evicted,
        })
    }

    /// Rows that were dropped to keep the cap.
    pub(crate) fn evicted_rows(&self) -> u64 {
        self.evicted.stored.saturating_sub(self.damaged)
    }

    /// Rows that could not be read where they were kept.
    pub(crate) fn damaged_rows(&self) -> u64 {
        self.damaged
    }

    /// Every chunk, oldest first.
    pub(crate) fn chunks(&self) -> Vec<ChunkRef> {
        let carried = self
            .carried
            .as_deref()
            .and_then(|view| ChunkRef::of(CARRIED, true, view));
        let open = ChunkRef::of(self.open_index, false, &self.open);
        carried
            .into_iter()
            .chain(self.sealed.iter().map(|one| one.chunk))
            .chain(open)
            .collect()
    }

    /// The chunks in which a track has rows of some of these kinds, oldest first.
    pub(crate) fn chunks_of(&self, track: TrackId, kinds: u32) -> Vec<ChunkRef> {
        let has = |view: &ChunkView| view.track_rows(track).any(|row| row.kind.bit() & kinds != 0);
        let carried = self.carried.as_deref().filter(|view| has(view));
        let open = Some(&*self.open).filter(|view| has(view));
        let sealed = self
            .sealed
            .iter()
            .filter(|one| one.kinds.of(track) & kinds != 0)
            .map(|one| one.chunk);
        let carried = carried.and_then(|view| ChunkRef::of(CARRIED, true, view));
        let open = open.and_then(|view| ChunkRef::of(self.open_index, false, view));
        carried.into_iter().chain(sealed).chain(open).collect()
    }

    /// A chunk that need not be decoded, or the bytes to decode.
    pub(crate) fn lookup(&mut self, index: u64) -> Result<Found, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        if index == CARRIED {
            return self.carried.clone().map(Found::View).ok_or(StoreError::Evicted);
        }
        if index == self.open_index {
            return Ok(Found::View(Arc::clone(&self.open)));
        }
        if let Some(view) = self.cache.get(index) {
            return Ok(Found::View(view));
        }
        let at = self
            .sealed
            .binary_search_by_key(&index, |one| one.chunk.index)
            .map_err(|_| StoreError::Evicted)?;
        let found = &self.sealed[at];
        if found.damaged {
            return Err(StoreError::Evicted);
        }
        Ok(Found::Body(found.body.clone()))
    }

    /// Which tracks have rows in a chunk at rest, and of which kinds.
    pub(crate) fn kinds_in(&self, index: u64) -> Option<Kinds> {
        if index == CARRIED {
            return self.carried.as_deref().map(|view| Kinds::new(&view.kinds_by_track()));
        }
        let at = self.sealed.binary_search_by_key(&index, |one| one.chunk.index).ok()?;
        Some(self.sealed[at].kinds.clone())
    }

    pub(crate) fn keep(&mut self, context: &Context<'_>, index: u64, view: &Arc<ChunkView>) {
        self.cache.put(index, view, context.cache_bytes());
    }

    /// Nothing comes any more: nothing is referred to any more.
    pub(crate) fn end_streams(&mut self) {
        self.streams.clear();
    }

    /// Lets go of the largest stream, if they take more than this. `false`: they do not.
    pub(crate) fn drop_stream_over(&mut self, most: usize) -> bool {
        self.streams.bytes() > most && self.streams.drop_largest()
    }

    /// Lets go of everything that can be made again.
    pub(crate) fn shrink(&mut self) {
        self.cache.shrink(0);
    }

    /// Bytes of the open chunk: what grows, or is sealed, next.
    pub(crate) fn open_bytes(&self) -> usize {
        self.open.bytes()
    }

    /// Bytes of decoded chunks.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        // The view sealed last is in the cache and nowhere else; the open one is in neither.
        self.open.bytes()
            + self.sealed_bytes
            + self.carried.as_deref().map_or(0, ChunkView::bytes)
            + self.cache.bytes()
            + self.tracks.bytes()
            + self.losses.bytes()
            + self.streams.bytes()
            + self.atoms.len() * 16
            + self
                .summary
                .iter()
                .flat_map(|parts| parts.iter())
                .map(ChunkView::bytes)
                .sum::<usize>()
            + self.work.as_ref().map_or(0, Records::bytes)
    }
}

/// What a file says of a recording.
pub(crate) struct Restored {
    pub(crate) tracks: Vec<TrackInfo>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) evicted: Counts,
    pub(crate) evicted_loss: Option<Loss>,
    /// Of what is gone, what could not be read.
    pub(crate) damaged: u64,
    pub(crate) next_seq: u64,
    pub(crate) last_ns: u64,
    pub(crate) chunks: Vec<Sealed>,
    pub(crate) summary: Option<Arc<[ChunkView]>>,
    pub(crate) damage: Damage,
    pub(crate) atoms: BTreeSet<AtomId>,
}

/// The terms of a record. What cannot be read is marked as cut; then the second answer is `false`.
fn read_terms(arena: &mut Arena, count: u8, payload: &[u8]) -> (Terms, bool) {
    let mut terms = Terms::NONE;
    let mut rest = payload;
    let mut whole = true;
    for _ in 0..count {
        let read = if whole { arena.intern_wire(rest).ok() } else { None };
        let id = match read {
            Some((id, used)) => {
                rest = &rest[used..];
                id
            }
            None => {
                whole = false;
                arena.intern(&Value::Truncated(Kind::Tuple, 0))
            }
        };
        terms.push(id);
    }
    (terms, whole)
}
