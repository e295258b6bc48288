// Named pipes for the output of a program, which sees neither a socket nor a file.

export { Fifos, type OpenFifo } from '../process/fifos.ts';
