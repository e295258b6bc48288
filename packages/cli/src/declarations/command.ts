// The form in which commands are declared, and the types of what the function of a command receives.

/** An option: its help, or its help with more. */
export type OptionDeclaration =
  | string
  | {
      readonly about: string;
      readonly default?: string;
      readonly choices?: readonly string[];
      /** Environment variable that counts where the option is not given. */
      readonly env?: string;
      readonly required?: true;
      /** True for an option that may be repeated. Default value: an empty list. */
      readonly many?: true;
    };

/** A command, or a group of commands, which has no options. The keys of options are their flags. */
export interface CommandDeclaration {
  readonly about: string;
  /** Arguments, such as `<session> [text...]`. */
  readonly takes?: string;
  /** Help of the argument. Those with the name of a session have theirs. */
  readonly argument?: string;
  readonly argumentDefault?: string;
  readonly alias?: string;
  /** True if options after the first argument belong to the program that the command starts. */
  readonly passThrough?: true;
  /** Text below the list of options. */
  readonly help?: string;
  readonly [flags: `-${string}`]: OptionDeclaration;
}

/** Commands by their path, such as `token create`, in the order of the help. A group is before its commands. */
export type CommandTable = Readonly<Record<string, CommandDeclaration>>;

/** The option of commands that talk to a gateway. */
export const GATEWAY = {
  '--data <dir>': 'the data directory of the gateway (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)',
} as const;
/** The option of commands that work on a data directory themselves. */
export const DATA_DIR = {
  '--data <dir>': 'the data directory (default: $BINNACLE_DATA, else below $XDG_DATA_HOME)',
} as const;

type LongName<Flags> = Flags extends `${string}--${infer Name} ${string}`
  ? Name
  : Flags extends `${string}--${infer Name}`
    ? Name
    : never;
type CamelCase<Name> = Name extends `${infer Word}-${infer Rest}` ? `${Word}${Capitalize<CamelCase<Rest>>}` : Name;
type PropertyOf<Flags> = LongName<Flags> extends `no-${infer Name}` ? CamelCase<Name> : CamelCase<LongName<Flags>>;

/** Flags whose option always has a value. */
type Certain<Command> = {
  [Flags in keyof Command]: Flags extends `--no-${string}`
    ? Flags
    : Command[Flags] extends { readonly default: string } | { readonly required: true } | { readonly many: true }
      ? Flags
      : never;
}[keyof Command];

type ValueOf<Flags, Option> = Option extends { readonly many: true }
  ? readonly string[]
  : Option extends { readonly choices: readonly (infer Choice)[] }
    ? Choice
    : Flags extends `${string} <${string}`
      ? string
      : Flags extends `${string} [${string}`
        ? boolean | string
        : boolean;

/** Options that the function of a command receives. */
export type OptionsOf<Command> = {
  readonly [Flags in Extract<keyof Command, `-${string}`> as Flags extends Certain<Command>
    ? PropertyOf<Flags>
    : never]: ValueOf<Flags, Command[Flags]>;
} & {
  readonly [Flags in Extract<keyof Command, `-${string}`> as Flags extends Certain<Command>
    ? never
    : PropertyOf<Flags>]?: ValueOf<Flags, Command[Flags]>;
};

type ArgumentOf<Name> = Name extends `${string}...${string}`
  ? readonly string[]
  : Name extends `<${string}`
    ? string
    : string | undefined;
type ArgumentList<Names> = Names extends `${infer First} ${infer Rest}`
  ? [ArgumentOf<First>, ...ArgumentList<Rest>]
  : [ArgumentOf<Names>];

/** Arguments that the function of a command receives before the options. */
export type ArgumentsOf<Command> = Command extends { readonly argumentDefault: string }
  ? [string]
  : Command extends { readonly takes: infer Names }
    ? ArgumentList<Names>
    : [];
