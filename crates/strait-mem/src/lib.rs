//! Mapped bytes.
