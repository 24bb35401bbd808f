//! Programs that play a part in the tests of strait.
