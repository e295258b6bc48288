// The page's drawings. All are decoration: the words next to them say the same.

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
