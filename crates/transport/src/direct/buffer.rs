//! What sockets are read into.

use std::cell::RefCell;

thread_local! {
    /// One buffer for all connections of a thread stays in its cache, which thousands of buffers
    /// would not; what must outlast a read is copied out of it.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer, so many bytes of it. What it is lent to must not ask for it again.
pub(crate) fn with_buffer<T>(bytes: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        read(&mut buffer[..bytes])
    })
}
