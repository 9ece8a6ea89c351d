use std::sync::{Arc, Mutex};

use domain::telemetry::GpuReading;

use super::*;
use crate::fixture::{devices, on_device};

/// The host, a device and a server whose process cannot be found.
fn all(gpu: Option<Gpus>) -> Sources {
    Sources {
        gpu,
        host: true,
        servers: vec!["http://127.0.0.1:1".to_owned()],
    }
}

type Samples = Arc<Mutex<Vec<Sample>>>;

fn start(clock: &Clock, hz: f64, sources: Sources) -> (Samples, Sampling) {
    start_after(clock, hz, sources, || ())
}

/// As [`start`], with what the sink does before it takes a sample.
fn start_after(
    clock: &Clock,
    hz: f64,
    sources: Sources,
    mut before: impl FnMut() + Send + 'static,
) -> (Samples, Sampling) {
    let samples = Samples::default();
    let sink = {
        let samples = Arc::clone(&samples);
        move |sample: &Sample| {
            before();
            samples.lock().unwrap().push(sample.clone());
        }
    };
    (samples, Sampling::start(clock.clone(), hz, sources, sink))
}

/// The samples of this many seconds of virtual time.
async fn sampled(
    clock: &Clock,
    seconds: u64,
    (samples, sampling): (Samples, Sampling),
) -> (Vec<Sample>, Counts) {
    clock.sleep(Nanos::from_secs(seconds)).await;
    let counts = sampling.stop().await;
    let samples = samples.lock().unwrap().clone();
    (samples, counts)
}

#[tokio::test(start_paused = true)]
async fn samples_fall_exactly_on_their_ticks_in_virtual_time() {
    let clock = Clock::start_virtual_from(Nanos::from_secs(2));
    let mut readings = 0_u32;
    let counting = devices(&["counting"], move |_| {
        readings += 1;
        vec![GpuReading {
            utilisation_percent: Some(f64::from(readings)),
            ..GpuReading::default()
        }]
    });
    let sampling = start(&clock, 10.0, all(Some(counting)));
    let (samples, counts) = sampled(&clock, 60, sampling).await;
    for (sample, k) in samples.iter().zip(0_u32..600) {
        assert_eq!(sample.at, Stamp(2_000_000_000 + u64::from(k) * 100_000_000));
        assert!(sample.host.is_none(), "host in virtual time");
        let used = sample.gpus[0].utilisation_percent;
        assert_eq!(used, Some(f64::from(k + 1)));
    }
    assert!(samples.len() >= 600);
    let counts = (counts.taken, counts.missed, counts.broken);
    assert_eq!(counts, (samples.len() as u64, 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_does_not_divide_a_second_does_not_drift() {
    let clock = Clock::start_virtual();
    let sampling = start(&clock, 3.0, Sources::default());
    let (samples, _) = sampled(&clock, 999, sampling).await;
    for (k, sample) in samples.iter().enumerate() {
        let late = sample.at.0 as f64 - k as f64 * 1e9 / 3.0;
        let in_time = (0.0..=1000.0).contains(&late);
        assert!(in_time, "sample {k} is {late} ns late");
    }
    assert!(samples.len() >= 2997);
}

#[tokio::test(start_paused = true)]
async fn ticks_that_pass_while_a_sink_is_busy_are_counted_not_made_up() {
    let clock = Clock::start_virtual();
    let mut first = true;
    let sampling = start_after(&clock, 10.0, Sources::default(), move || {
        if std::mem::take(&mut first) {
            // Stands for a sink that takes 250 ms of clock time, a thousand times that in tokio's. The first poll
            // moves tokio's paused clock.
            let advance = tokio::time::advance(std::time::Duration::from_secs(250));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = std::pin::pin!(advance).poll(&mut context);
        }
    });
    let (samples, counts) = sampled(&clock, 1, sampling).await;
    let at: Vec<_> = samples.iter().map(|s| s.at.0 / 1_000_000).collect();
    assert_eq!(at[..3], [0, 300, 400]);
    assert_eq!(counts.missed, 2);
}

#[tokio::test]
async fn a_panicking_sampler_ends_sampling_and_says_so() {
    let panicking = devices(&["broken"], |_| panic!("as a broken driver might"));
    let (_, sampling) = start(&Clock::real(), 1000.0, all(Some(panicking)));
    while !sampling.task.is_finished() {
        tokio::task::yield_now().await;
    }
    let counts = sampling.stop().await;
    assert!(counts.broken);
    assert_eq!(counts.taken, 0);
}

#[tokio::test]
async fn real_time_samples_carry_host_readings_after_the_first_interval() {
    let (samples, sampling) = start(&Clock::real(), 100.0, all(None));
    // Waits for evidence, not for a duration: the first host reading.
    let seen = || samples.lock().unwrap().iter().any(|s| s.host.is_some());
    while !seen() {
        tokio::task::yield_now().await;
    }
    let counts = sampling.stop().await;
    let samples = samples.lock().unwrap();
    assert_eq!(counts.taken, samples.len() as u64);
    assert!(samples.windows(2).all(|w| w[0].at < w[1].at));
    assert_eq!(samples[0].host, None, "CPU use needs an interval");
    let host = samples.iter().find_map(|s| s.host.clone()).unwrap();
    assert!((0.0..=100.0).contains(&host.cpu_percent));
    assert!(host.memory_used_bytes <= host.memory_total_bytes);
    assert!(host.memory_total_bytes > 0);
}

#[tokio::test]
async fn a_servers_process_is_sampled_and_its_device_memory_is_its_own() {
    if !std::path::Path::new("/proc/net/tcp").exists() {
        println!("skipped: no /proc/net/tcp here");
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    // This test's process and one that does not exist.
    let busy = devices(&["busy"], move |_| {
        vec![GpuReading {
            processes: [std::process::id(), u32::MAX]
                .map(|pid| on_device(pid, Some(1)))
                .into(),
            ..GpuReading::default()
        }]
    });
    let sources = Sources {
        gpu: Some(busy),
        host: false,
        servers: vec!["http://192.0.2.1:80".to_owned(), here],
    };
    let (samples, sampling) = start(&Clock::real(), 1000.0, sources);
    while samples.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    sampling.stop().await;
    let sample = samples.lock().unwrap()[0].clone();
    assert_eq!(sample.servers.len(), 1);
    assert_eq!(sample.servers[0].endpoint, 1);
    assert!(sample.servers[0].memory_bytes > 100_000);
    let owners: Vec<_> = sample.gpus[0].processes.iter().map(|p| p.server).collect();
    assert_eq!(owners, [Some(1), None]);
}
