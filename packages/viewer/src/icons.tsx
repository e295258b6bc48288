// The page's drawings. All are decoration: the words next to them say the same.

import type { ToolCall } from '@binnacle/protocol';
import type { ReactNode } from 'react';

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const HelmIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="5.2" />
    <circle cx="10" cy="10" r="1.5" />
    <path d="M10 1.8v6.7M10 11.5v6.7M1.8 10h6.7M11.5 10h6.7M4.2 4.2l4.7 4.7M11.1 11.1l4.7 4.7M15.8 4.2l-4.7 4.7M8.9 11.1l-4.7 4.7" />
  </Icon>
);
export const EyeIcon = () => (
  <Icon>
    <path d="M1.8 10S4.8 4.8 10 4.8 18.2 10 18.2 10 15.2 15.2 10 15.2 1.8 10 1.8 10Z" />
    <circle cx="10" cy="10" r="2.4" />
  </Icon>
);
export const PlusIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);
export const MoreIcon = () => (
  <Icon>
    <path d="M5 8l5 5 5-5" />
  </Icon>
);
export const MenuIcon = () => (
  <Icon>
    <path d="M3 5.5h14M3 10h14M3 14.5h14" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M5 5l10 10M15 5L5 15" />
  </Icon>
);
export const StopIcon = () => (
  <Icon>
    <rect x="5" y="5" width="10" height="10" rx="1.5" />
  </Icon>
);
export const BinIcon = () => (
  <Icon>
    <path d="M3.5 5.5h13M8 5.5v-2h4v2M5.5 5.5l.8 11h7.4l.8-11M8.5 8.5v5M11.5 8.5v5" />
  </Icon>
);
export const InterruptIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="7.2" />
    <path d="M10 5.8v5.4M10 13.6v.6" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.4" />
    <path d="M10 1.8v2M10 16.2v2M1.8 10h2M16.2 10h2M4.2 4.2l1.4 1.4M14.4 14.4l1.4 1.4M15.8 4.2l-1.4 1.4M5.6 14.4l-1.4 1.4" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7Z" />
  </Icon>
);
export const EarIcon = () => (
  <Icon>
    <path d="M3 8v4h2.5L9 15V5L5.5 8H3M12 7.5a3.5 3.5 0 0 1 0 5M14.2 5a7 7 0 0 1 0 10" />
  </Icon>
);
export const LeaveIcon = () => (
  <Icon>
    <path d="M8 3.5H4v13h4M12.5 6.5L16 10l-3.5 3.5M16 10H8" />
  </Icon>
);

export const TerminalIcon = () => (
  <Icon>
    <rect x="2.5" y="4" width="15" height="12" rx="2" />
    <path d="M5.8 8l2.4 2-2.4 2M10.5 12.5h3.7" />
  </Icon>
);
export const TalkIcon = () => (
  <Icon>
    <path d="M3 4.5h14v9H9l-3.5 3v-3H3z" />
  </Icon>
);
export const ShieldIcon = () => (
  <Icon>
    <path d="M10 2.5l6 2.2v4.6c0 3.8-2.5 6.6-6 8.2-3.5-1.6-6-4.4-6-8.2V4.7zM10 6.6v4M10 13v.4" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="7" y="7" width="9.5" height="9.5" rx="1.5" />
    <path d="M13 4.5V4a1 1 0 0 0-1-1H4a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h.5" />
  </Icon>
);
export const TickIcon = () => (
  <Icon>
    <path d="M4 10.5l4 4 8-9" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4.5M4.8 9.6L10 4.4l5.2 5.2" />
  </Icon>
);
export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M4.8 10.4L10 15.6l5.2-5.2" />
  </Icon>
);
export const PencilIcon = () => (
  <Icon>
    <path d="M4 16l.8-3.6L13.4 3.8l2.8 2.8-8.6 8.6zM11.6 5.6l2.8 2.8" />
  </Icon>
);
export const PeopleIcon = () => (
  <Icon>
    <circle cx="7.5" cy="7" r="2.8" />
    <path d="M2.2 16c.3-3 2.4-4.6 5.3-4.6S12.5 13 12.8 16M12.5 4.4a2.8 2.8 0 0 1 0 5.2M14.6 11.9c1.9.6 3 2 3.2 4.1" />
  </Icon>
);
export const LockIcon = () => (
  <Icon>
    <rect x="4" y="9" width="12" height="8" rx="1.5" />
    <path d="M6.8 9V6.5a3.2 3.2 0 0 1 6.4 0V9" />
  </Icon>
);
export const GearIcon = () => (
  <Icon>
    <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
    <circle cx="12" cy="6" r="2" />
    <circle cx="8" cy="14" r="2" />
  </Icon>
);

/** A mast that sends: it runs elsewhere. */
export const ElsewhereIcon = () => (
  <Icon>
    <path d="M10 9v8.5M6.8 17.5h6.4M6.6 10.2a4.6 4.6 0 0 1 0-5.6M13.4 4.6a4.6 4.6 0 0 1 0 5.6M4 12.4a8.4 8.4 0 0 1 0-10M16 2.4a8.4 8.4 0 0 1 0 10" />
    <circle cx="10" cy="7.4" r="1.3" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="8.6" cy="8.6" r="5.1" />
    <path d="M12.5 12.5L17 17" />
  </Icon>
);
export const TrafficIcon = () => (
  <Icon>
    <path d="M3 16.5V11M7.7 16.5V5M12.3 16.5v-8M17 16.5V3" />
  </Icon>
);
export const PluginIcon = () => (
  <Icon>
    <path d="M7 2.5v4M13 2.5v4M4.5 6.5h11v3.2a5.5 5.5 0 0 1-11 0zM10 15.2v3" />
  </Icon>
);
export const BellIcon = () => (
  <Icon>
    <path d="M4.5 14.5c1.2-1.3 1.5-2.6 1.5-5.5a4 4 0 0 1 8 0c0 2.9.3 4.2 1.5 5.5zM8.4 16.6a1.7 1.7 0 0 0 3.2 0M10 3v1.6" />
  </Icon>
);
export const FilterIcon = () => (
  <Icon>
    <path d="M2.5 5h15M5.5 10h9M8.5 15h3" />
  </Icon>
);

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
export const ToolIcon = ({ kind }: { readonly kind: ToolCall['kind'] }) => (
  <Icon>
    <path d={TOOLS[kind] ?? TOOLS.other} />
  </Icon>
);

/** The compass: the mark of the page, and with `large` the picture of an empty deck. */
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
