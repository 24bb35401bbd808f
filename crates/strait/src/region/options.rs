//! How a region is made or opened.

use strait_sys::mmap::{Access, HugePage};

/// Options of a region; the default is a private (mode 0600), writable region of ordinary pages.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) mode: u32,
    pub(crate) huge: HugePages,
    pub(crate) populate: bool,
    pub(crate) lock: bool,
    pub(crate) read_only: bool,
    pub(crate) owner: Option<u32>,
    pub(crate) allow_network: bool,
}

/// Whether a region is made of huge pages (2 MiB or 1 GiB instead of 4 KiB): fewer misses of the translation cache.
///
/// Possible for memfd, anonymous and System V regions, and for files on a `hugetlbfs`. The administrator sets them aside:
/// `sysctl vm.nr_hugepages=N`, or `/sys/kernel/mm/hugepages/` for a size that is not the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HugePages {
    /// Ordinary pages.
    #[default]
    No,
    /// Pages of 2 MiB, or an error that says which setting to change.
    TwoMiB,
    /// Pages of 1 GiB, or an error that says which setting to change.
    OneGiB,
    /// Pages of 2 MiB where there are some, else ordinary ones; [`super::Region::page_bytes`] tells.
    TwoMiBOrSmall,
}

impl HugePages {
    pub(crate) fn size(self) -> Option<HugePage> {
        match self {
            Self::No => None,
            Self::TwoMiB | Self::TwoMiBOrSmall => Some(HugePage::TwoMiB),
            Self::OneGiB => Some(HugePage::OneGiB),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: 0o600,
            huge: HugePages::No,
            populate: false,
            lock: false,
            read_only: false,
            owner: None,
            allow_network: false,
        }
    }

    /// The permission bits of a new region, exactly: the umask has no say. Only the lower nine bits count.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o777;
        self
    }

    /// Huge pages for a new region.
    #[must_use]
    pub fn huge_pages(mut self, huge: HugePages) -> Self {
        self.huge = huge;
        self
    }

    /// Sets up every page of the mapping now (`MAP_POPULATE`), so that no first touch costs a page fault later.
    #[must_use]
    pub fn populate(mut self, populate: bool) -> Self {
        self.populate = populate;
        self
    }

    /// Keeps the bytes in memory, never swapped out (`mlock(2)`); bounded by `RLIMIT_MEMLOCK`.
    #[must_use]
    pub fn lock(mut self, lock: bool) -> Self {
        self.lock = lock;
        self
    }

    /// Opens for reading only: the pages are mapped without the right to write. Has no meaning for a new region.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Also opens what the user `uid` owns, and whoever else its mode lets write; else an object of another user is refused, and one's
    /// own that others may write, for they could cut it short.
    #[must_use]
    pub fn owner(mut self, uid: u32) -> Self {
        self.owner = Some(uid);
        self
    }

    /// Also maps files on network file systems, where two machines do not see each other's stores.
    #[must_use]
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    pub(crate) fn access(&self) -> Access {
        if self.read_only { Access::ReadOnly } else { Access::ReadWrite }
    }
}
