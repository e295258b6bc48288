// routes: where a message goes, by configs of 10 to 100 000 bindings, against going through all of them.

import type { Bench } from '../bench.ts';
import { Role } from '../role.ts';
import type { RoutesReport, RoutesSpec, Shape } from '../roles/routes.ts';
import { digits, median, type Row, ranged, ratios } from '../table.ts';

const SIZES = [10, 1000, 10_000, 100_000] as const;
const SHAPES: readonly Shape[] = ['peers', 'roles', 'wildcards', 'mixed'];
const WHAT: Readonly<Record<Shape, string>> = {
  peers: 'a binding for each person',
  roles: 'a role each in one guild, 20 roles asked',
  wildcards: 'every room of a guild each',
  mixed: 'all tiers',
};

export async function routes(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const found = new Map<number, RoutesReport>();
    for (const bindings of SIZES) {
      // Each is made anew and routed once; those with 20 roles take ten times as long to make as to route.
      const messages = (bench.quick ? 5000 : 50_000) / (shape === 'roles' || shape === 'mixed' ? 5 : 1);
      const report = await measure({ shape, bindings, reps: Math.min(bench.reps, 5), messages });
      found.set(bindings, report);
      bench.note(`routes ${shape} ${bindings}: ${digits(median(report.router) / 1e6)} M/s`);
    }
    for (const [name, way] of [
      ['router', 'router'],
      ['cached', 'config kept'],
      ['shallow', '{...config} each time'],
    ] as const) {
      rows.push(...rowsOf(`${WHAT[shape]}: ${way}`, name, found));
    }
    if (shape === 'peers') rows.push(...cloned(found));
  }
  return rows;
}

function rowsOf(what: string, name: keyof RoutesReport, found: ReadonlyMap<number, RoutesReport>): Row[] {
  const rates = SIZES.map((size) => median(found.get(size)?.[name] ?? []) / 1e6);
  const flat = Math.max(...rates) / Math.min(...rates);
  const largest = found.get(100_000);
  const toScan = ratios(largest?.[name] ?? [], largest?.scan ?? []);
  return [
    {
      goal: 'routes',
      what: `${what}; M/s at ${SIZES.join(', ')}`,
      ours: rates.map(digits).join(', '),
      other: '',
      ratio: `${digits(flat)} fastest to slowest`,
      aim: '<= 2; >= 1 M/s at 1000',
      holds: flat <= 2 && (rates[1] ?? 0) >= 1,
    },
    {
      goal: 'routes',
      what: `${what}; at 100 000`,
      ours: ranged(
        (largest?.[name] ?? []).map((rate) => rate / 1e6),
        'M/s',
      ),
      other: `linear scan ${ranged(largest?.scan ?? [], '/s')}`,
      ratio: ranged(toScan),
      aim: '>= 1000',
      holds: median(toScan) >= 1000,
    },
  ];
}

/** Whoever clones deeply for each message pays for the clone; the row says how little comes on top. */
function cloned(found: ReadonlyMap<number, RoutesReport>): Row[] {
  return SIZES.map((size) => {
    const { deep = [], cloning = [] } = found.get(size) ?? {};
    return {
      goal: 'routes',
      what: `a deep clone each time, ${size} bindings: the routing alone`,
      ours: ranged(deep, '/s'),
      other: `structuredClone alone ${ranged(cloning, '/s')}`,
      ratio: ranged(ratios(deep, cloning)),
      aim: '',
    };
  });
}

async function measure(spec: RoutesSpec): Promise<RoutesReport> {
  const role = new Role<RoutesReport>('routes', spec, ['--expose-gc']);
  const report = await role.done();
  await role.end();
  return report;
}
