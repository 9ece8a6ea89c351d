use domain::telemetry::GpuProcess;

use super::*;
use crate::timeline::at;

/// A sample of `cases.txt`: `0 100W 5000J | 40W part=0 server`.
fn sample(line: &str) -> Sample {
    let (ms, devices) = line.split_once(' ').unwrap();
    let gpu = |(index, device): (u32, &str)| {
        let mut gpu = GpuReading {
            index,
            ..GpuReading::default()
        };
        for word in device.split_whitespace().filter(|word| *word != "-") {
            if let Some(watts) = word.strip_suffix('W') {
                gpu.power_w = Some(watts.parse().unwrap());
            } else if let Some(joules) = word.strip_suffix('J') {
                gpu.energy_j = Some(joules.parse().unwrap());
            } else if let Some(card) = word.strip_prefix("part=") {
                gpu.part_of = Some(card.parse().unwrap());
            } else {
                assert_eq!(word, "server");
                gpu.processes.push(GpuProcess {
                    pid: 9,
                    server: Some(0),
                    ..GpuProcess::default()
                });
            }
        }
        gpu
    };
    Sample {
        at: at(ms.parse().unwrap()),
        gpus: (0..).zip(devices.split('|')).map(gpu).collect(),
        ..Sample::default()
    }
}

#[test]
fn energy_by_hand() {
    for case in include_str!("cases.txt").split("\n\n").skip(1) {
        let lines = case
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let (expected, samples): (Vec<_>, Vec<_>) =
            lines.skip(1).partition(|line| line.starts_with(' '));
        let meter = Meter::of(&samples.into_iter().map(sample).collect_vec());
        for line in expected {
            let [from, to] = [0, 1].map(|word| line.split_whitespace().nth(word).unwrap());
            let [begin, end] = [from, to].map(|ms| at(ms.parse().unwrap()));
            let energy = meter.between(begin, end);
            let energy = energy.map_or("none".to_owned(), |energy| {
                let joules = (energy.joules * 1e9).round() / 1e9;
                format!("{joules} {:?} {}", energy.source, energy.devices)
            });
            assert_eq!(format!("  {from} {to} {energy}"), line, "{case}");
        }
    }
}
