// The icons of the page. All are decoration: the words next to them say the same.

import type { ToolCall } from '@binnacle/protocol';
import './icons.css';

function Icon({ d }: { readonly d: string }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={d} />
    </svg>
  );
}

/** Creates an icon of lines, on a square of 20. */
const icon =
  (...lines: readonly string[]) =>
  () => <Icon d={lines.join('')} />;

const circle = (x: number, y: number, r: number): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;

/** Returns the path of a rectangle with round corners. */
function box(x: number, y: number, width: number, height: number, r: number): string {
  const [across, down] = [width - 2 * r, height - 2 * r];
  const corner = (dx: number, dy: number): string => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
  return `M${x + r} ${y}h${across}${corner(r, r)}v${down}${corner(-r, r)}h${-across}${corner(-r, -r)}v${-down}${corner(r, -r)}Z`;
}

export const LeaseIcon = icon(
  circle(10, 10, 5.2),
  circle(10, 10, 1.5),
  'M10 1.8v6.7M10 11.5v6.7M1.8 10h6.7M11.5 10h6.7M4.2 4.2l4.7 4.7M11.1 11.1l4.7 4.7M15.8 4.2l-4.7 4.7M8.9 11.1l-4.7 4.7',
);
export const ViewIcon = icon(
  'M1.8 10S4.8 4.8 10 4.8 18.2 10 18.2 10 15.2 15.2 10 15.2 1.8 10 1.8 10Z',
  circle(10, 10, 2.4),
);
export const ShareIcon = icon(
  circle(15, 4.5, 2.3),
  circle(5, 10, 2.3),
  circle(15, 15.5, 2.3),
  'M7.1 8.9l5.8-3.3M7.1 11.1l5.8 3.3',
);
export const FileOutIcon = icon('M10 2.5v9M6.5 8.3L10 11.8l3.5-3.5M3 13.5v3h14v-3');
export const FileInIcon = icon('M10 11.8v-9M6.5 6L10 2.5 13.5 6M3 13.5v3h14v-3');
export const FilmIcon = icon(box(2.5, 4, 15, 12, 2), 'M8.2 7.4v5.2l4.4-2.6Z');
export const PlusIcon = icon('M10 4v12M4 10h12');
export const MoreIcon = icon('M5 8l5 5 5-5');
export const MenuIcon = icon('M3 5.5h14M3 10h14M3 14.5h14');
export const CloseIcon = icon('M5 5l10 10M15 5L5 15');
export const StopIcon = icon(box(5, 5, 10, 10, 1.5));
export const BinIcon = icon('M3.5 5.5h13M8 5.5v-2h4v2M5.5 5.5l.8 11h7.4l.8-11M8.5 8.5v5M11.5 8.5v5');
/** ^C, as a terminal shows it. */
export const InterruptIcon = icon('M2.2 9.4 5.6 5.2 9 9.4', 'M17.6 8.3a4 4 0 1 0 0 5.8');
export const SunIcon = icon(
  circle(10, 10, 3.4),
  'M10 1.8v2M10 16.2v2M1.8 10h2M16.2 10h2M4.2 4.2l1.4 1.4M14.4 14.4l1.4 1.4M15.8 4.2l-1.4 1.4M5.6 14.4l-1.4 1.4',
);
export const MoonIcon = icon('M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7Z');
export const EarIcon = icon('M3 8v4h2.5L9 15V5L5.5 8H3M12 7.5a3.5 3.5 0 0 1 0 5M14.2 5a7 7 0 0 1 0 10');
export const LeaveIcon = icon('M8 3.5H4v13h4M12.5 6.5L16 10l-3.5 3.5M16 10H8');
export const TerminalIcon = icon(box(2.5, 4, 15, 12, 2), 'M5.8 8l2.4 2-2.4 2M10.5 12.5h3.7');
export const TalkIcon = icon('M3 4.5h14v9H9l-3.5 3v-3H3z');
export const ShieldIcon = icon('M10 2.5l6 2.2v4.6c0 3.8-2.5 6.6-6 8.2-3.5-1.6-6-4.4-6-8.2V4.7zM10 6.6v4M10 13v.4');
export const CopyIcon = icon(box(7, 7, 9.5, 9.5, 1.5), 'M13 4.5V4a1 1 0 0 0-1-1H4a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h.5');
export const TickIcon = icon('M4 10.5l4 4 8-9');
export const RightIcon = icon('M4.5 10h11M10.4 4.8L15.6 10l-5.2 5.2');
export const CommandIcon = icon(box(2.5, 4.5, 15, 11, 2), 'M6 8.2h.1M10 8.2h.1M14 8.2h.1M6.5 12h7');
export const SendIcon = icon('M10 16V4.5M4.8 9.6L10 4.4l5.2 5.2');
export const DownIcon = icon('M10 4v11.5M4.8 10.4L10 15.6l5.2-5.2');
export const PencilIcon = icon('M4 16l.8-3.6L13.4 3.8l2.8 2.8-8.6 8.6zM11.6 5.6l2.8 2.8');
export const PeopleIcon = icon(
  circle(7.5, 7, 2.8),
  'M2.2 16c.3-3 2.4-4.6 5.3-4.6S12.5 13 12.8 16M12.5 4.4a2.8 2.8 0 0 1 0 5.2M14.6 11.9c1.9.6 3 2 3.2 4.1',
);
export const LockIcon = icon(box(4, 9, 12, 8, 1.5), 'M6.8 9V6.5a3.2 3.2 0 0 1 6.4 0V9');
/** A transmission mast: a foreign session. */
export const ElsewhereIcon = icon(
  'M10 9v8.5M6.8 17.5h6.4M6.6 10.2a4.6 4.6 0 0 1 0-5.6M13.4 4.6a4.6 4.6 0 0 1 0 5.6M4 12.4a8.4 8.4 0 0 1 0-10M16 2.4a8.4 8.4 0 0 1 0 10',
  circle(10, 7.4, 1.3),
);
export const SearchIcon = icon(circle(8.6, 8.6, 5.1), 'M12.5 12.5L17 17');
export const TrafficIcon = icon('M3 16.5V11M7.7 16.5V5M12.3 16.5v-8M17 16.5V3');
export const PluginIcon = icon('M7 2.5v4M13 2.5v4M4.5 6.5h11v3.2a5.5 5.5 0 0 1-11 0zM10 15.2v3');
export const HistoryIcon = icon('M3.2 4.2v3.6h3.6M3.6 7.6A7 7 0 1 1 3 10.8M10 6.4V10l2.6 1.8');
export const PhoneIcon = icon(box(5.5, 1.8, 9, 16.4, 1.8), 'M9 15.4h2');
export const BellOffIcon = icon(
  'M10 2.6a4.6 4.6 0 0 1 4.6 4.6c0 4.6 1.8 6.2 1.8 6.2H3.6s1.8-1.6 1.8-6.2A4.6 4.6 0 0 1 10 2.6ZM8.3 16.2a1.9 1.9 0 0 0 3.4 0M3 3l14 14',
);
export const BellIcon = icon(
  'M4.5 14.5c1.2-1.3 1.5-2.6 1.5-5.5a4 4 0 0 1 8 0c0 2.9.3 4.2 1.5 5.5zM8.4 16.6a1.7 1.7 0 0 0 3.2 0M10 3v1.6',
);
export const FilterIcon = icon('M2.5 5h15M5.5 10h9M8.5 15h3');
export const PlayIcon = icon('M6 3.8v12.4L16 10z');
export const PauseIcon = icon('M7 4v12M13 4v12');
export const StepIcon = icon('M5.5 4.5v11L13 10zM14.8 4.5v11');
export const StepBackIcon = icon('M14.5 4.5v11L7 10zM5.2 4.5v11');

const TOOLS: Readonly<Record<ToolCall['kind'], string>> = {
  read: 'M5 2.5h7l3.5 3.5v11.5H5zM8 9h5M8 12.5h5',
  edit: 'M4 16l.8-3.6L13.4 3.8l2.8 2.8-8.6 8.6zM11.6 5.6l2.8 2.8',
  delete: 'M3.5 5.5h13M8 5.5v-2h4v2M5.5 5.5l.8 11h7.4l.8-11',
  move: 'M3 10h13M11.5 5.5L16 10l-4.5 4.5',
  search: 'M12.5 12.5L17 17M8.5 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10Z',
  execute: 'M3 5l4.5 5L3 15M10 15.5h7',
  think: 'M7.5 14.5h5M8 17h4M10 3a5 5 0 0 0-3 9v2.5h6V12a5 5 0 0 0-3-9Z',
  fetch: 'M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15ZM2.5 10h15M10 2.5c-5 5-5 10 0 15 5-5 5-10 0-15',
  other: 'M10 3.5v3M10 13.5v3M3.5 10h3M13.5 10h3M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z',
};
export const ToolIcon = ({ kind }: { readonly kind: ToolCall['kind'] }) => <Icon d={TOOLS[kind] ?? TOOLS.other} />;

/** The compass: the logo of the page, and with `large` the picture of an empty page. */
export function Compass({ large = false }: { readonly large?: boolean }) {
  const ticks = Array.from({ length: large ? 32 : 8 }, (_, i) => i * (large ? 11.25 : 45));
  return (
    <svg
      className={large ? 'compass compass-large' : 'compass'}
      viewBox="0 0 100 100"
      aria-hidden="true"
      focusable="false"
    >
      <circle className="compass-bowl" cx="50" cy="50" r="47" />
      <circle className="compass-ring" cx="50" cy="50" r="40" />
      {ticks.map((angle) => (
        <path
          key={angle}
          className={angle % 90 === 0 ? 'compass-tick compass-cardinal' : 'compass-tick'}
          d={angle % 45 === 0 ? 'M50 10v8' : 'M50 10v4'}
          transform={`rotate(${angle} 50 50)`}
        />
      ))}
      {large && (
        <g className="compass-letters">
          <text x="50" y="28">
            N
          </text>
          <text x="75" y="53.2">
            E
          </text>
          <text x="50" y="78.4">
            S
          </text>
          <text x="25" y="53.2">
            W
          </text>
        </g>
      )}
      <g className="compass-needle">
        <path className="compass-north" d="M50 22 55 50H45Z" />
        <path className="compass-south" d="M50 78 45 50H55Z" />
      </g>
      <circle className="compass-pin" cx="50" cy="50" r="2.6" />
    </svg>
  );
}
