use super::*;

/// Starts the runtime of these flags; `pin` is a list of CPUs, or empty.
fn start(
    target: &Target,
    runtime: Option<RuntimeFlavour>,
    workers: u32,
    pin: &str,
) -> Result<(Runtime, Option<RuntimeFacts>), Fatal> {
    let flags = RuntimeFlags {
        runtime,
        workers: NonZeroU32::new(workers),
        pin: (!pin.is_empty()).then(|| pin.parse().unwrap()),
    };
    flags.start(target, &HttpFlags::default())
}

const REAL: Target = Target::Real(Vec::new());
const SIMULATOR: Target = Target::Simulator { why: String::new() };

#[test]
fn lists_of_cpus_are_read_in_order_and_without_repeats() {
    for (text, expected) in [
        ("1", Ok(&[1][..])),
        ("3,0-2,1", Ok(&[0, 1, 2, 3])),
        ("7-7", Ok(&[7])),
        ("", Err("`` is not a CPU")),
        ("1,", Err("`` is not a CPU")),
        ("one", Err("`one` is not a CPU")),
        ("-1", Err("`` is not a CPU")),
        ("0-99999999", Err("`99999999` is not a CPU")),
        ("3-1", Err("the range `3-1`")),
    ] {
        match (text.parse::<CpuList>(), expected) {
            (Ok(list), Ok(cpus)) => assert_eq!(list.0, cpus),
            (Err(error), Err(words)) => assert!(error.starts_with(words), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }
}

#[test]
fn workers_are_counted_and_recorded() {
    let multi = Some(RuntimeFlavour::Multi);
    for (flavour, workers, expected) in [
        (multi, 3, Some(3)),
        (multi, 0, None),
        (Some(RuntimeFlavour::Current), 0, Some(1)),
    ] {
        let (runtime, facts) = start(&REAL, flavour, workers, "").unwrap();
        let facts = facts.unwrap();
        assert_eq!(Some(facts.flavour), flavour);
        assert_eq!(runtime.metrics().num_workers(), facts.workers as usize);
        assert!(expected.is_none_or(|n| n == facts.workers), "{facts:?}");
        if expected == Some(3) {
            assert_eq!(in_words(&facts), "multi-thread runtime of 3 threads");
        }
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    start(&REAL, Some(RuntimeFlavour::Current), 2, "").unwrap_err();
    let multi = Some(RuntimeFlavour::Multi);
    let refused = start(&SIMULATOR, multi, 2, "").unwrap_err();
    assert_eq!(refused.hint_text(), Some("leave --workers out"));
    let (_, facts) = start(&SIMULATOR, multi, 0, "").unwrap();
    assert_eq!(facts, None, "virtual time has nothing to record");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pin_narrows_the_threads_and_a_cpu_that_is_not_there_is_named() {
    let first = cpus::usable()[0];
    // On a thread of its own: a pin lasts as long as the thread.
    let pinned = std::thread::spawn(move || {
        let multi = Some(RuntimeFlavour::Multi);
        let (runtime, facts) = start(&REAL, multi, 0, &first.to_string()).unwrap();
        let on_worker = runtime.block_on(runtime.spawn(async { cpus::usable() }));
        let flavour = |workers| start(&REAL, None, workers, "").unwrap().1.unwrap().flavour;
        let usual = [0, 1].map(flavour);
        assert_eq!(usual, [RuntimeFlavour::Current, RuntimeFlavour::Multi]);
        (facts.unwrap(), on_worker.unwrap())
    });
    let (facts, on_worker) = pinned.join().unwrap();
    assert_eq!((&facts.pinned, facts.workers), (&vec![first], 1));
    assert_eq!(on_worker, [first]);
    let expected = format!("multi-thread runtime of 1 thread, held to CPU {first}");
    assert_eq!(in_words(&facts), expected);

    let absent = start(&REAL, None, 0, "8000").unwrap_err();
    assert!(absent.hint_text().unwrap().starts_with("it may use "));
}
