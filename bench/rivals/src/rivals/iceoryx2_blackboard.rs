//! iceoryx2's blackboard: the latest value under a key, one writer, any number of readers.

use std::io;
use std::rc::Rc;

use ::iceoryx2::port::reader::{EntryHandle, Reader};
use ::iceoryx2::port::writer::{EntryHandleMut, Writer};
use ::iceoryx2::prelude::*;

use crate::job::Job;
use crate::payload::read_words;
use crate::rivals::iceoryx2::node_of;
use crate::seam::{End, Latest, other};

type Value = [u64; 8];
const KEY: u32 = 1;

/// The handle before its port, so that it goes before what it points into.
struct Writes {
    entry: EntryHandleMut<ipc::Service, u32, Value>,
    _writer: Writer<ipc::Service, u32>,
    _node: Rc<Node<ipc::Service>>,
}

struct Reads {
    entry: EntryHandle<ipc::Service, u32, Value>,
    last: u64,
    _reader: Reader<ipc::Service, u32>,
    _node: Rc<Node<ipc::Service>>,
}

pub(crate) fn open(job: &Job, me: usize) -> io::Result<End> {
    let node = node_of(job)?;
    let name = ServiceName::new(&job.name).map_err(other)?;
    if me == 0 {
        let service = node
            .service_builder(&name)
            .blackboard_creator::<u32>()
            .add::<Value>(KEY, [0; 8])
            .create()
            .map_err(other)?;
        let reader = service.reader_builder().create().map_err(other)?;
        let entry = reader.entry::<Value>(&KEY).map_err(other)?;
        return Ok(End::Latest(Box::new(Reads { entry, last: 0, _reader: reader, _node: node })));
    }
    let service = node.service_builder(&name).blackboard_opener::<u32>().open().map_err(other)?;
    let writer = service.writer_builder().create().map_err(other)?;
    let entry = writer.entry::<Value>(&KEY).map_err(other)?;
    Ok(End::Latest(Box::new(Writes { entry, _writer: writer, _node: node })))
}

impl Latest for Writes {
    fn write(&mut self, stamp: u64) -> io::Result<()> {
        self.entry.update_with_copy([stamp; 8]);
        Ok(())
    }

    fn read_times(&mut self, _times: u64) -> io::Result<u64> {
        Err(io::Error::other("a writer reads"))
    }
}

impl Latest for Reads {
    fn write(&mut self, _stamp: u64) -> io::Result<()> {
        Err(io::Error::other("a reader writes"))
    }

    fn read_times(&mut self, times: u64) -> io::Result<u64> {
        for _ in 0..times {
            let stamp = read_words(&*self.entry.get());
            assert!(stamp >= self.last, "an older value came after a newer one");
            self.last = stamp;
        }
        Ok(self.last)
    }
}
