//! The buffer that sockets are read into.

use std::cell::RefCell;

thread_local! {
    /// One buffer for all connections of a thread stays in the CPU's cache, and thousands do not. Bytes that must outlast a read are copied out of it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends `bytes` bytes of the thread's buffer. The borrower must not call this again.
pub(crate) fn with_buffer<T>(bytes: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        read(&mut buffer[..bytes])
    })
}
