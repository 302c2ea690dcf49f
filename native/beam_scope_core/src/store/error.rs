//! What can go wrong with a store.

/// Why the store could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The recording was closed.
    Closed,
    /// The chunk is no longer there: it was the oldest, and the memory cap needed its room.
    Evicted,
    /// The file is no recording.
    NotARecording,
    /// The recording was written by another version of the format.
    Version {
        /// The version found.
        found: u32,
        /// The version this build knows.
        known: u32,
    },
    /// The bytes are damaged; what was found wrong.
    Corrupt(String),
    /// Something is larger than this build accepts.
    TooLarge(String),
    /// The file system said no.
    Io(String),
    /// The system gives no memory for it. Nothing is lost: it can be asked for again.
    Memory,
}

impl StoreError {
    #[allow(dead_code)]
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => write!(f, "the recording was closed"),
            Self::Evicted => write!(f, "this part of the recording is not there: it was dropped to keep the memory cap, or its file is damaged"),
            Self::NotARecording => write!(f, "the file is no BeamScope recording"),
            Self::Version { found, known } => {
                write!(f, "the recording has format version {found}, this build knows {known}")
            }
            Self::Corrupt(what) => write!(f, "the recording is damaged: {what}"),
            Self::TooLarge(what) => write!(f, "too large: {what}"),
            Self::Io(what) => write!(f, "{what}"),
            Self::Memory => write!(f, "the system gives no memory for this; what was recorded is kept"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::OutOfMemory {
            return Self::Memory;
        }
        Self::Io(error.to_string())
    }
}
