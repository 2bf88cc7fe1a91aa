; SPDX-License-Identifier: MIT
; A guest that reads and writes where the test tells it.

%include "guest.inc"
%include "peek.inc"
