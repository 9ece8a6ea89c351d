//! Charts: pictures against committed ones, odd input, and the parts that measure.

mod fixtures;
mod odd_input;
mod parts;
mod pictures;
