use super::*;

fn flags(
    runtime: impl Into<Option<RuntimeArg>>,
    workers: Option<u32>,
    pin: Option<&str>,
) -> RuntimeFlags {
    RuntimeFlags {
        runtime: runtime.into(),
        workers: workers.map(|n| NonZeroU32::new(n).unwrap()),
        pin: pin.map(|text| text.parse().unwrap()),
    }
}

fn real() -> Target {
    Target::Real(Vec::new())
}

fn simulator() -> Target {
    Target::Simulator { why: String::new() }
}

#[test]
fn lists_of_cpus_are_read_in_order_and_without_repeats() {
    for (text, cpus) in [
        ("1", vec![1]),
        ("3,0-2,1", vec![0, 1, 2, 3]),
        ("7-7", vec![7]),
    ] {
        assert_eq!(text.parse(), Ok(CpuList(cpus)));
    }
    for (text, words) in [
        ("", "`` is not a CPU"),
        ("1,", "`` is not a CPU"),
        ("one", "`one` is not a CPU"),
        ("-1", "`` is not a CPU"),
        ("0-99999999", "`99999999` is not a CPU"),
        ("3-1", "the range `3-1`"),
    ] {
        let error = text.parse::<CpuList>().unwrap_err();
        assert!(error.starts_with(words), "{text}: {error}");
    }
}

#[test]
fn workers_are_counted_and_recorded() {
    let (runtime, facts) = flags(RuntimeArg::Multi, Some(3), None)
        .start(&real(), &HttpFlags::default())
        .unwrap();
    assert_eq!(runtime.metrics().num_workers(), 3);
    let facts = facts.unwrap();
    assert_eq!(facts.workers, 3);
    assert_eq!(in_words(&facts), "multi-thread runtime of 3 threads");

    let (runtime, facts) = flags(RuntimeArg::Multi, None, None)
        .start(&real(), &HttpFlags::default())
        .unwrap();
    let facts = facts.unwrap();
    assert_eq!(runtime.metrics().num_workers(), facts.workers as usize);

    let (runtime, facts) = flags(RuntimeArg::Current, None, None)
        .start(&real(), &HttpFlags::default())
        .unwrap();
    assert_eq!(runtime.metrics().num_workers(), 1);
    assert_eq!(facts.unwrap().flavour, RuntimeFlavour::Current);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let refused = flags(RuntimeArg::Current, Some(2), None).start(&real(), &HttpFlags::default());
    assert!(refused.is_err());
    let refused =
        flags(RuntimeArg::Multi, Some(2), None).start(&simulator(), &HttpFlags::default());
    assert_eq!(
        refused.unwrap_err().hint_text(),
        Some("leave --workers out")
    );
    let (_, facts) = flags(RuntimeArg::Multi, None, None)
        .start(&simulator(), &HttpFlags::default())
        .unwrap();
    assert_eq!(facts, None, "virtual time has nothing to record");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pin_narrows_the_threads_and_a_cpu_that_is_not_there_is_named() {
    use rustix::thread::{CpuSet, sched_getaffinity};

    // On a thread of its own: a pin lasts as long as the thread.
    let pinned = std::thread::spawn(|| {
        let allowed = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU)
            .find(|cpu| allowed.is_set(*cpu))
            .unwrap();
        let (runtime, facts) = flags(RuntimeArg::Multi, None, Some(&first.to_string()))
            .start(&real(), &HttpFlags::default())
            .unwrap();
        let on_worker = runtime
            .block_on(runtime.spawn(async { sched_getaffinity(None).unwrap().count() }))
            .unwrap();
        let flavour = |workers| {
            flags(None, workers, None)
                .start(&real(), &HttpFlags::default())
                .unwrap()
                .1
        };
        let usual = [None, Some(1)].map(|workers| flavour(workers).unwrap().flavour);
        assert_eq!(usual, [RuntimeFlavour::Current, RuntimeFlavour::Multi]);
        (first, facts.unwrap(), on_worker)
    });
    let (first, facts, on_worker) = pinned.join().unwrap();
    assert_eq!(facts.pinned, [u32::try_from(first).unwrap()]);
    assert_eq!(facts.workers, 1, "one CPU, one thread");
    assert_eq!(on_worker, 1);
    assert_eq!(
        in_words(&facts),
        format!("multi-thread runtime of 1 thread, held to CPU {first}")
    );

    let absent = flags(RuntimeArg::Multi, None, Some("8000")).start(&real(), &HttpFlags::default());
    let hint = absent.unwrap_err();
    assert!(hint.hint_text().unwrap().starts_with("it may use "));
}
