//! How agents that think, and agents that think, touch files and wait, scale with their number and
//! with the cores they may use: the article's question, with every agent doing all of its work.
//!
//! Usage: `cargo xtask bench agents [--primes N] [--repeats N] [--agents N,N,…]`.
//!
//! Each number of agents is run as tasks whose work goes to a pool of 1 to all cores, and with one
//! OS thread for each agent. All of them are run in turn, again and again, so that whatever else the
//! machine does falls on each alike; shown are the median of each and its range.

use std::fs;
use std::num::NonZeroU32;
use std::process::ExitCode;

use agents::{WorkPool, do_cpu_work, do_file_work};
use clock::Clock;
use domain::Nanos;
use domain::work::{CpuWork, FileWork, Work};
use tokio::task::JoinSet;

/// The article's agents.
const AGENTS: &[u32] = &[1, 2, 5, 10, 50, 100, 200, 500];
/// The article's bound.
const PRIMES: u32 = 200_000;
/// A mixed agent alternates so often between work and waiting.
const ROUNDS: u32 = 4;
/// What a mixed agent waits for in each round, as for a short answer from a server.
const WAIT: Nanos = Nanos::from_millis(20);

/// What the agents of a run do.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// One piece of CPU work each.
    Cpu(CpuWork),
    /// CPU work, file work and a wait, [`ROUNDS`] times.
    Mixed(CpuWork, FileWork),
}

/// What they run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Tasks, with so many threads for their work.
    Pool(NonZeroU32),
    /// A thread each.
    Threads,
}

/// What was seen of one way to run one number of agents.
#[derive(Debug, Clone)]
struct Seen {
    on: On,
    agents: u32,
    walls: Vec<f64>,
    memory: Vec<f64>,
}

impl Seen {
    fn median(&self) -> f64 {
        middle(&self.walls)
    }
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}; usage: [--primes N] [--repeats N] [--agents N,N,…]");
            return ExitCode::from(2);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = u32::try_from(cores).unwrap_or(1);
    println!(
        "{cores} cores, {} repetitions, median and range\n",
        options.repeats
    );
    let cpu = CpuWork::Primes {
        below: options.primes,
    };
    println!("CPU: each agent sums the primes below {}", options.primes);
    measure(Kind::Cpu(cpu), cores, &options);
    let quarter = CpuWork::Primes {
        below: (options.primes / 4).max(2),
    };
    let file = FileWork::new(64 << 10).expect("64 KiB is in range");
    println!(
        "\nMixed: each agent, {ROUNDS} times: {quarter}, {file} written and read back, {WAIT} of waiting"
    );
    measure(Kind::Mixed(quarter, file), cores, &options);
    ExitCode::SUCCESS
}

struct Options {
    primes: u32,
    repeats: u32,
    agents: Vec<u32>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        primes: PRIMES,
        repeats: 5,
        agents: AGENTS.to_vec(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        // cargo adds this one.
        if flag == "--bench" {
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = |text: &str| {
            let number = text.trim().parse::<u32>().ok().filter(|n| *n > 0);
            number.ok_or_else(|| format!("{flag}: `{text}` is no number above zero"))
        };
        match flag.as_str() {
            "--primes" => options.primes = number(&value)?.max(2),
            "--repeats" => options.repeats = number(&value)?,
            "--agents" => {
                options.agents = value.split(',').map(number).collect::<Result<_, _>>()?;
            }
            other => return Err(format!("no flag {other}")),
        }
    }
    Ok(options)
}

/// Runs every way to run every number of agents, in turn, and prints them.
fn measure(kind: Kind, cores: u32, options: &Options) {
    let ways = (1..=cores).filter_map(NonZeroU32::new).map(On::Pool);
    let ways: Vec<On> = ways.chain([On::Threads]).collect();
    let mut all: Vec<Seen> = options
        .agents
        .iter()
        .flat_map(|agents| ways.iter().map(move |on| (*on, *agents)))
        .map(|(on, agents)| Seen {
            on,
            agents,
            walls: Vec::new(),
            memory: Vec::new(),
        })
        .collect();
    for repeat in 0..options.repeats {
        // Another first one each time.
        let shift = repeat as usize % all.len();
        for at in 0..all.len() {
            let place = (at + shift) % all.len();
            let seen = &mut all[place];
            let before = reset_peak();
            let wall = match seen.on {
                On::Pool(threads) => as_tasks(kind, seen.agents, threads),
                On::Threads => as_threads(kind, seen.agents),
            };
            seen.walls.push(wall.as_secs_f64());
            if let (Some(before), Some(peak)) = (before, status("VmHWM:")) {
                seen.memory
                    .push(peak.saturating_sub(before) as f64 / 1024.0);
            }
        }
    }
    println!(
        "{:>7} {:<16} {:>9} {:>21} {:>10} {:>8} {:>11} {:>11}",
        "agents", "on", "wall ms", "range", "agents/s", "speedup", "efficiency", "memory KiB"
    );
    let mut alone = 1.0;
    for seen in &all {
        let wall = seen.median();
        let (name, workers) = match seen.on {
            On::Pool(threads) => (format!("{threads} pool threads"), threads.get()),
            On::Threads => ("a thread each".to_owned(), cores),
        };
        if seen.on == On::Pool(NonZeroU32::MIN) {
            alone = wall;
        }
        let speedup = alone / wall;
        let ms = |s: f64| s * 1e3;
        let least = seen.walls.iter().copied().fold(f64::INFINITY, f64::min);
        let most = seen.walls.iter().copied().fold(0.0, f64::max);
        let memory = if seen.memory.is_empty() {
            "unknown".to_owned()
        } else {
            format!("{:.0}", middle(&seen.memory))
        };
        println!(
            "{:>7} {name:<16} {:>9.1} {:>21} {:>10.0} {speedup:>8.2} {:>10.0}% {memory:>11}",
            seen.agents,
            ms(wall),
            format!("{:.1}..{:.1}", ms(least), ms(most)),
            f64::from(seen.agents) / wall,
            100.0 * speedup / f64::from(workers.min(cores)),
        );
    }
}

/// A task for each agent on the runtime's threads; the work goes to the pool.
fn as_tasks(kind: Kind, agents: u32, threads: NonZeroU32) -> Nanos {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let pool = WorkPool::new(threads, std::env::temp_dir());
    runtime.block_on(async {
        let clock = Clock::real();
        let began = clock.now();
        let mut tasks = JoinSet::new();
        for _ in 0..agents {
            let (clock, pool) = (clock.clone(), pool.clone());
            tasks.spawn(async move {
                let (work, rounds) = match kind {
                    Kind::Cpu(cpu) => (
                        Work {
                            cpu: Some(cpu),
                            file: None,
                        },
                        1,
                    ),
                    Kind::Mixed(cpu, file) => {
                        let both = Work {
                            cpu: Some(cpu),
                            file: Some(file),
                        };
                        (both, ROUNDS)
                    }
                };
                for _ in 0..rounds {
                    pool.run(&clock, work).await.expect("the work can be done");
                    if matches!(kind, Kind::Mixed(..)) {
                        clock.sleep(WAIT).await;
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("no agent panics");
        }
        clock.now().since(began)
    })
}

/// A thread for each agent, all at once.
fn as_threads(kind: Kind, agents: u32) -> Nanos {
    let clock = Clock::real();
    let dir = std::env::temp_dir();
    let began = clock.now();
    std::thread::scope(|scope| {
        for _ in 0..agents {
            scope.spawn(|| match kind {
                Kind::Cpu(cpu) => {
                    std::hint::black_box(do_cpu_work(cpu));
                }
                Kind::Mixed(cpu, file) => {
                    for _ in 0..ROUNDS {
                        std::hint::black_box(do_cpu_work(cpu));
                        do_file_work(&dir, file).expect("the file can be written");
                        std::thread::sleep(WAIT.as_duration());
                    }
                }
            });
        }
    });
    clock.now().since(began)
}

/// Lets the kernel count the peak anew; returns what is held now, KiB. None where that cannot be
/// done.
fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS:")
}

/// A line of the process's status, KiB.
fn status(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
