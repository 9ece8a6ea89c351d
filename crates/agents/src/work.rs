//! CPU and file work of agents, on threads that the network does not need.
//!
//! A task that computes occupies its thread and delays the stamps of every stream on it. So work runs on the
//! runtime's blocking threads, and a semaphore limits it to the spare ones: waiting work is served in order and can
//! be cancelled, and other blocking work (name lookups, files) always finds a thread.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::Clock;
use domain::Nanos;
use domain::work::{CpuWork, FileWork, Work, WorkRecord};
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    #[error("file work failed in {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The runtime shut down, or the work panicked.
    #[error("work was dropped")]
    Dropped(#[source] tokio::task::JoinError),
}

/// Threads for CPU and file work; clones share them.
#[derive(Debug, Clone)]
pub struct WorkPool {
    threads: NonZeroU32,
    free: Arc<Semaphore>,
    dir: PathBuf,
}

impl WorkPool {
    pub fn new(threads: NonZeroU32, dir: PathBuf) -> Self {
        Self {
            threads,
            free: Arc::new(Semaphore::new(threads.get() as usize)),
            dir,
        }
    }

    /// The default pool: in real time one thread less than there are cores, at least one, because the network needs a
    /// core; in virtual time four on every machine. Files go into the system's temporary folder.
    pub fn for_clock(clock: &Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let spare = if clock.is_virtual() { 4 } else { cores - 1 };
        let threads = NonZeroU32::new(spare as u32).unwrap_or(NonZeroU32::MIN);
        Self::new(threads, std::env::temp_dir())
    }

    pub fn threads(&self) -> NonZeroU32 {
        self.threads
    }

    /// Does the work and returns its times, including the wait for a thread. In virtual time it only occupies a thread
    /// for its modelled time, so that figures are the same on every machine.
    ///
    /// Work that has started runs to its end even if the future is dropped. Fails when the file cannot be written,
    /// read back or deleted, and when the runtime shuts down.
    pub async fn run(&self, clock: &Clock, work: Work) -> Result<WorkRecord, WorkError> {
        let asked = clock.now();
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.expect("it is never closed");
        if clock.is_virtual() {
            let queue_ns = clock.now().since(asked);
            let modelled = work.modelled();
            clock.sleep(modelled.busy()).await;
            drop(permit);
            return Ok(WorkRecord {
                queue_ns,
                ..modelled
            });
        }
        let (clock, dir) = (clock.clone(), self.dir.clone());
        let done = tokio::task::spawn_blocking(move || {
            let began = clock.now();
            let mut record = WorkRecord {
                queue_ns: began.since(asked),
                ..WorkRecord::default()
            };
            let mut before = began;
            let mut lap = || -> Nanos {
                let now = clock.now();
                now.since(std::mem::replace(&mut before, now))
            };
            if let Some(cpu) = work.cpu {
                std::hint::black_box(do_cpu_work(cpu));
                record.cpu_ns = Some(lap());
            }
            if let Some(file) = work.file {
                do_file_work(&dir, file).map_err(|source| WorkError::File(dir, source))?;
                record.file_ns = Some(lap());
            }
            drop(permit);
            Ok(record)
        });
        done.await.map_err(WorkError::Dropped)?
    }
}

/// Returns the sum of the primes.
fn do_cpu_work(work: CpuWork) -> u64 {
    let prime = |n: u32| (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor));
    let primes = (2..work.primes_below).filter(|n| prime(*n));
    primes.map(u64::from).sum()
}

/// Writes a new file, reads it back, compares, and deletes it. It is not synced: this measures the system's file layer,
/// and the disk only when the system's cache is full.
fn do_file_work(dir: &Path, work: FileWork) -> io::Result<()> {
    let written: Vec<u8> = (0..work.bytes()).map(|n| n as u8).collect();
    let mut file = NamedTempFile::with_prefix_in("tandem-work-", dir)?;
    file.write_all(&written)?;
    file.rewind()?;
    let mut read = Vec::with_capacity(written.len());
    file.read_to_end(&mut read)?;
    if read != written {
        let different = "the file's content differs from what was written";
        return Err(io::Error::other(different));
    }
    file.close()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::Stamp;

    use super::*;

    fn primes(primes_below: u32) -> CpuWork {
        CpuWork { primes_below }
    }

    fn pool(threads: u32, dir: &Path) -> WorkPool {
        WorkPool::new(NonZeroU32::new(threads).unwrap(), dir.to_owned())
    }

    #[test]
    fn the_primes_sum_to_the_articles_figure() {
        assert_eq!(do_cpu_work(primes(2)), 0);
        assert_eq!(do_cpu_work(primes(10)), 17);
        assert_eq!(do_cpu_work(primes(200_000)), 1_709_600_813);
    }

    #[tokio::test]
    async fn work_really_runs_on_real_time_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let work = Work {
            cpu: Some(primes(20_000)),
            file: FileWork::new(100_000),
        };
        let pool = pool(2, dir.path());
        let clock = Clock::real();
        let done = pool.run(&clock, work).await.unwrap();
        assert!(done.cpu_ns.unwrap() > Nanos::ZERO);
        assert!(done.file_ns.unwrap() > Nanos::ZERO);
        assert!(done.queue_ns + done.busy() <= clock.now().since(Stamp::ZERO));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let work = Work {
            cpu: None,
            file: FileWork::new(10),
        };
        let done = pool(1, &absent).run(&Clock::real(), work).await;
        let error = done.unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_work_queues_for_the_pool_and_takes_its_modelled_time() {
        let clock = Clock::start_virtual();
        let pool = pool(2, Path::new("nowhere"));
        let work = Work {
            cpu: Some(primes(200_000)),
            file: FileWork::new(64 << 10),
        };
        let agents: Vec<_> = (0..5)
            .map(|_| {
                let (clock, pool) = (clock.clone(), pool.clone());
                tokio::spawn(async move { pool.run(&clock, work).await.unwrap() })
            })
            .collect();
        let mut waited = Vec::new();
        for agent in agents {
            let done = agent.await.unwrap();
            assert_eq!(done.busy(), Nanos(11_032_000));
            waited.push(done.queue_ns.0 / 1_000);
        }
        assert_eq!(waited, [0, 0, 11_032, 11_032, 22_064]);
        assert_eq!(clock.now(), Stamp(33_096_000));
    }
}
