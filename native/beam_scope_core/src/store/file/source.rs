//! Where a file's bytes come from, a part at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::super::error::StoreError;
use crate::reserve;

/// Bytes that can be read from any place.
#[derive(Debug)]
pub(crate) struct Source {
    from: From,
    len: AtomicU64,
}

#[derive(Debug)]
enum From {
    File(File),
    Bytes(Vec<u8>),
}

impl Source {
    pub(crate) fn file(file: File) -> Result<Self, StoreError> {
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(StoreError::Io("it is no regular file".to_owned()));
        }
        Ok(Self {
            len: about.len().into(),
            from: From::File(file),
        })
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            len: (bytes.len() as u64).into(),
            from: From::Bytes(bytes),
        }
    }

    /// How many there were when it was opened, or looked at last.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// Looks how far a file has grown.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        if let From::File(file) = &self.from {
            self.len.store(file.metadata()?.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Some bytes. Asks for no more memory than the file has bytes.
    pub(crate) fn read(&self, at: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let end = at.checked_add(len).filter(|end| *end <= self.len());
        let end = end.ok_or_else(|| StoreError::corrupt("it ends too early"))?;
        match &self.from {
            From::Bytes(bytes) => Ok(bytes[at as usize..end as usize].to_vec()),
            From::File(file) => {
                let mut bytes = Vec::new();
                if !reserve::room(&mut bytes, len as usize) {
                    return Err(StoreError::Memory);
                }
                bytes.resize(len as usize, 0);
                file.read_exact_at(&mut bytes, at)?;
                Ok(bytes)
            }
        }
    }
}

/// A chunk's bytes in a file.
#[derive(Clone, Debug)]
pub(crate) struct Filed {
    pub(crate) source: Arc<Source>,
    pub(crate) at: u64,
    pub(crate) len: u64,
}

impl Filed {
    pub(crate) fn read(&self) -> Result<Vec<u8>, StoreError> {
        self.source.read(self.at, self.len)
    }
}
