// The last day of traffic in one strip: three numbers and a bar per hour, repeated as a table for screen readers.

import type { TrafficStats } from '@binnacle/protocol';
import { bytes, counted, oneLine } from '../model/format.ts';
import { useNow } from '../state/use-clock.ts';
import { type Hour, lastHours, total } from './format.ts';
import { STATS_HOURS } from './use-traffic.ts';
import './last-day.css';

const HEIGHT = 44;
const STEP = 10;
const BAR = 7;
const LEAST = 4;

interface LastDayProps {
  readonly stats: TrafficStats | undefined;
  readonly source: string | undefined;
  /** True if other filters are active, which the strip ignores. */
  readonly isWider: boolean;
}

export function LastDay({ stats, source, isWider }: LastDayProps) {
  const now = useNow();
  const hours = lastHours(stats ?? { hours: [] }, now, STATS_HOURS);
  const sum = total(hours);
  return (
    <section
      className="strip"
      aria-label="The last 24 hours"
      aria-busy={stats === undefined}
      data-testid="traffic-strip"
    >
      <dl className="strip-sums">
        <StatValue name="events" value={stats && sum.events.toLocaleString()} />
        <StatValue name="output" value={stats && bytes(sum.bytes)} />
        <StatValue
          name={sum.failures === 1 ? 'failure' : 'failures'}
          value={stats && sum.failures.toLocaleString()}
          bad={sum.failures > 0}
        />
      </dl>
      <figure className="strip-bars">
        <Bars hours={hours} />
        <figcaption>
          {isWider ? (
            <strong data-testid="strip-wider">
              Last 24 hours, all events{source !== undefined && ` of ${oneLine(source, 40)}`}:{' '}
              {source === undefined ? 'filters' : 'other filters'} do not count here
            </strong>
          ) : (
            <span>Events by hour, last 24 hours{source !== undefined && `, from ${oneLine(source, 40)}`}</span>
          )}
          {sum.failures > 0 && (
            <span className="strip-key">
              <svg viewBox="0 0 10 10" aria-hidden="true" focusable="false">
                <rect className="bar-failed" x="0.75" y="0.75" width="8.5" height="8.5" />
                <path className="bar-hatch" d="M0 10L10 0" />
              </svg>{' '}
              failures
            </span>
          )}
        </figcaption>
      </figure>
      <table className="sr-only">
        <caption>Events by hour; hours without events are left out</caption>
        <thead>
          <tr>
            <th scope="col">Hour</th>
            <th scope="col">Events</th>
            <th scope="col">Output</th>
            <th scope="col">Failures</th>
          </tr>
        </thead>
        <tbody>
          {hours
            .filter((hour) => hour.events > 0)
            .map((hour) => (
              <tr key={hour.hour}>
                <th scope="row">{hourText(hour)}</th>
                <td>{hour.events}</td>
                <td>{bytes(hour.bytes)}</td>
                <td>{hour.failures}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </section>
  );
}

function StatValue({
  name,
  value,
  bad = false,
}: {
  readonly name: string;
  /** Undefined until the numbers are known. */
  readonly value: string | undefined;
  readonly bad?: boolean;
}) {
  return (
    <div className={bad ? 'bad' : undefined} data-testid={`strip-${name.replace(/s$/, '')}`}>
      <dt>{name}</dt>
      <dd>{value ?? '–'}</dd>
    </div>
  );
}

const hourText = ({ hour }: Hour): string =>
  new Date(hour).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });

/**
 * Renders the bars. Failures are hatched and outlined at the foot of their hour, so that they are visible without
 * colour.
 */
function Bars({ hours }: { readonly hours: readonly Hour[] }) {
  const most = Math.max(1, ...hours.map((hour) => hour.events));
  // An hour with traffic has a visible bar, however much more traffic another hour has.
  const tall = (count: number): number => (count === 0 ? 0 : Math.max(LEAST, (count / most) * (HEIGHT - 2)));
  return (
    <svg
      className="bars"
      viewBox={`0 0 ${hours.length * STEP} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      <defs>
        <pattern id="bar-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path className="bar-hatch" d="M0 0V4" />
        </pattern>
      </defs>
      {hours.map((hour, at) => {
        const box = (count: number) => {
          const height = count === 0 ? 1 : tall(count);
          return { x: at * STEP + (STEP - BAR) / 2, y: HEIGHT - 1 - height, width: BAR, height };
        };
        const label = `${hourText(hour)}: ${counted(hour.events, 'event')}, ${counted(hour.failures, 'failure')}`;
        return (
          <g key={hour.hour}>
            <title>{label}</title>
            <rect className={hour.events === 0 ? 'bar none' : 'bar'} {...box(hour.events)} />
            {hour.failures > 0 && <rect className="bar-failed" {...box(hour.failures)} />}
            {hour.failures > 0 && <rect fill="url(#bar-hatch)" {...box(hour.failures)} />}
          </g>
        );
      })}
    </svg>
  );
}
