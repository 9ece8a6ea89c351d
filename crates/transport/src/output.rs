//! The output of one chunk.

/// What a chunk adds to an answer, by kind. Absent kinds are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output<'o> {
    pub content: &'o str,
    pub thinking: &'o str,
    pub refusal: &'o str,
    /// The JSON of the chunk's tool calls.
    pub tool_calls: &'o str,
}
