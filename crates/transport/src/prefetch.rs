//! A hint to the processor.

/// Asks the processor to have the beginning of this memory in its cache soon, without waiting for it. What lies behind
/// pointers, and what spans several cache lines, has to be asked for by itself.
pub fn prefetch<T>(memory: &T) {
    mem_prefetch::prefetch_read_data::<_, 3>(memory);
}
