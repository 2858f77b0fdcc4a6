-- Bodies that have gone wrong somewhere: each row is what is sent, and what a
-- maildir (LF line ends) must then hold, if that is not the same with LF.
local latin1 = {}
for code = 128, 255 do latin1[#latin1 + 1] = string.char(code) end

local controls = {}
for code = 1, 31 do
  if code ~= 10 and code ~= 13 then controls[#controls + 1] = string.char(code) end
end

-- Line ends and dots at every place of whatever is taken in one step.
local function lines_of_every_length(line_end)
  local lines = {}
  for length = 0, 80 do lines[#lines + 1] = "." .. ("x"):rep(length) .. line_end end
  return table.concat(lines)
end

return {
  { "nothing at all", "" },
  { "one line", "Hello.\r\n" },
  { "no line end at the end", "Hello.", "Hello.\n" },
  { "LF line ends", "one\n\ntwo\n", "one\n\ntwo\n" },
  { "CR line ends", "one\r\rtwo\r", "one\n\ntwo\n" },
  { "a mixture of line ends", "one\rtwo\r\nthree\nfour\r\r\n\n\r", "one\ntwo\nthree\nfour\n\n\n\n" },
  { "a dot alone", ".\r\n" },
  { "dots in all places", ".\r\n..\r\n...\r\n.a\r\n..a\r\na.\r\n.\r\n\r\n.\r\n" },
  { "a dot and no line end", "a\r\n.", "a\n.\n" },
  { "ends of data as other servers read them", "a\n.\nb\r.\rc\n.\r\nd\r\n.\ne\r.\r\nf\r\n",
    "a\n.\nb\n.\nc\n.\nd\n.\ne\n.\nf\n" },
  { "a second envelope inside", "a\r\n.\r\nMAIL FROM:<x@example.test>\r\nRCPT TO:<y@example.test>\r\nDATA\r\n" },
  { "blank lines around", "\r\n\r\nbody\r\n\r\n\r\n" },
  { "trailing blanks", "a \t\r\n \r\n\t\r\n" },
  { "lines that begin with From", "From here\r\n>From there\r\nFrom: nobody\r\n" },
  { "UTF-8", "\206\180\206\191\206\186\206\185\206\188\206\174 \240\159\152\128\r\n" },
  { "bytes that are not UTF-8", table.concat(latin1) .. "\r\n" },
  { "control characters", table.concat(controls) .. "\127\r\n" },
  { "a line of 998 octets", ("x"):rep(998) .. "\r\n" },
  { "a line of 5000 octets", ("long "):rep(1000) .. "\r\n" },
  { "lines of every length, with CRLF", lines_of_every_length("\r\n") },
  { "lines of every length, with LF", lines_of_every_length("\n"), lines_of_every_length("\n") },
  { "lines of every length, with CR", lines_of_every_length("\r"), lines_of_every_length("\n") },
  { "100 KiB of dots", ("."):rep(71):gsub("$", "\r\n"):rep(1400) },
}
