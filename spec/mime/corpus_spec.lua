-- The awkward messages of spec/messages/corpus: read without complaint, equally
-- whole and in pieces, written as they came, and seen as Python's email sees them.
local corpus = require "spec.mime.corpus"
local judge = require "spec.mime.judge"
local email = require "smtplib.email"

-- Where ours and Python's reading differ: in what, and why ours is kept. Any other
-- difference fails, and so does an entry that is not needed.
local explained = {
  ["base64-length-impossible"] = { "defects payload", "the complete groups are decoded, and the rest is noted" },
  ["base64-padding-too-much"] = { "defects", "surplus padding loses nothing" },
  ["base64-text-after-padding"] = { "defects", "both end at the padding; that there was more is noted by Python alone" },
  ["base64-url-alphabet"] = { "defects payload", "what is outside the alphabet of RFC 2045 is skipped and noted, alone as in company" },
  ["bounce-exchange"] = { "parts", "a blank line behind the last block is no block of its own" },
  ["bounce-exim"] = { "parts", "a blank line behind the last block is no block of its own" },
  ["boundary-only-close"] = { "payload", "what stands behind a closing delimiter is kept" },
  ["boundary-parameter-empty"] = { "parts", "RFC 2046 wants at least one character: any line of two hyphens would be a delimiter" },
  ["boundary-same-in-nested"] = { "parts", "the innermost multipart with that boundary takes the delimiter" },
  ["disposition-filename-backslashes"] = { "filename", "a quoted-pair is its second character (RFC 5322 section 3.2.1)" },
  ["disposition-filename-raw-utf-8"] = { "filename", "a name in raw UTF-8 is read as UTF-8" },
  ["disposition-no-type"] = { "filename", "the first word is the disposition, whatever it looks like" },
  ["encoding-quoted"] = { "payload", "the encoding is plain to see" },
  ["encoding-with-comment"] = { "payload", "comments are allowed there (RFC 2045 section 6.1)" },
  ["encoding-with-semicolon"] = { "payload", "the encoding is plain to see" },
  ["encoding-x-uuencode"] = { "payload", "uuencoded content is left as it is" },
  ["forwarded-attached"] = { "defects epilogue parts", "the innermost multipart with that boundary takes the delimiter" },
  ["header-blank-before-colon"] = { "defects fields payload", "white space before a colon is obsolete, not the end of the header (RFC 5322 section 4.5)" },
  ["header-folded-with-tabs"] = { "value", "a value of blanks alone is empty" },
  ["header-raw-gbk"] = { "value", "raw bytes that are not UTF-8 are shown as Latin-1, not lost" },
  ["header-raw-latin1"] = { "value", "raw bytes that are not UTF-8 are shown as Latin-1, not lost" },
  ["header-raw-mixed"] = { "value", "raw bytes that are not UTF-8 are shown as Latin-1, not lost" },
  ["multipart-empty"] = { "payload", "what stands behind a closing delimiter is kept" },
  ["nested-multipart-150-unclosed"] = { "parts", "nesting is followed to a limit, the rest is kept as it is" },
  ["nested-multipart-150"] = { "parts", "nesting is followed to a limit, the rest is kept as it is" },
  ["nested-rfc822-150"] = { "parts", "nesting is followed to a limit, the rest is kept as it is" },
  ["nested-rfc822-base64"] = { "parts", "what is encoded is no message before it is decoded" },
  ["nested-rfc822-quoted-printable"] = { "parts", "what is encoded is no message before it is decoded" },
  ["only-blanks"] = { "defects", "a defect is noted once" },
  ["quoted-printable-bad-hex"] = { "payload", "blanks before a line end do not count (RFC 2045 section 6.7, rule 3)" },
  ["quoted-printable-trailing-blanks"] = { "payload", "blanks before a line end do not count (RFC 2045 section 6.7, rule 3)" },
  ["rfc2231-both-forms"] = { "filename", "the extended form is the better one (RFC 6266 section 4.3)" },
  ["signed-dkim"] = { "defects fields payload", "white space before a colon is obsolete, not the end of the header (RFC 5322 section 4.5)" },
  ["type-charset-empty"] = { "charset", "an empty charset is none" },
  ["type-charset-without-value"] = { "charset", "an empty charset is none" },
  ["type-comma-instead-of-semicolon"] = { "type", "what follows the subtype is no part of it" },
  ["type-comments"] = { "type", "comments are allowed there (RFC 2045 section 5.1)" },
  ["type-empty-subtype"] = { "type", "a type without a subtype is none" },
  ["type-encoded-word-name"] = { "filename", "many programs write names so; nobody means the encoded-word" },
  ["type-missing-semicolon"] = { "type", "what follows the subtype is no part of it" },
  ["type-unclosed-quote"] = { "charset", "a quotation mark is no part of the value" },
  ["rfc2231-charset-missing"] = { "filename", "without a charset it is UTF-8, or else Latin-1" },
  ["rfc2231-gap-without-first"] = { "filename", "pieces without a first one are no value" },
  ["word-folded-within"] = { "value", "an encoded-word has no blanks in it (RFC 2047 section 2)" },
  ["word-lying-charset"] = { "value", "bytes that are not in their charset are read as Latin-1" },
  ["word-malformed"] = { "value", "what is no encoded-word is text (RFC 2047 section 6.3)" },
  ["word-unknown-charset"] = { "value", "a charset that is not known is taken for Latin-1" },
}

-- What Python notes of a multipart without parts says again what another defect
-- says; ours notes text that its charset does not have, and bad quoted-printable.
local not_compared = {
  MultipartInvariantViolationDefect = true, UndecodableBytesDefect = true, UndecodableTextDefect = true,
  InvalidQuotedPrintableDefect = true,
}

local function read(name) return email.message_from_string(corpus.text[name]) end

local function each(check)
  assert.is_true(#corpus.names >= 80)
  for _, name in ipairs(corpus.names) do check(name, corpus.text[name]) end
end

-- A raw value without what neither side promises: blanks before it, its line ends.
local function plain(raw)
  return raw and (raw:gsub("\r\n?", "\n"):gsub("^[ \t]+", ""))
end

local function compare_fields(differs, part, seen)
  local theirs, once = {}, {}
  for i, field in ipairs(seen.raw) do
    local name = field[1]
    theirs[i] = name
    if not once[name:lower()] then
      local value = judge.header(seen, name)
      differs("raw", plain(part:raw(name)), plain(field[2]))
      differs("value", value and part:get(name), value)
    end
    once[name:lower()] = true
  end
  differs("fields", table.concat(part:keys(), "\n"), table.concat(theirs, "\n"))
end

local function compare_part(differs, part, seen)
  compare_fields(differs, part, seen)
  differs("type", part:get_content_type(), seen.type)
  differs("charset", part:get_content_charset(), seen.charset)
  differs("disposition", part:get_content_disposition(), seen.disposition)
  differs("filename", part:get_filename(), seen.filename)
  differs("preamble", part.preamble or "", seen.preamble or "")
  differs("epilogue", part.epilogue or "", seen.epilogue or "")
  if part:is_multipart() then
    differs("parts", #part:get_payload(), seen.count)
  else
    differs("payload", part:get_payload(nil, true), seen.payload)
  end
  differs("defects", corpus.defects(part, not_compared), corpus.defects(seen, not_compared))
end

-- The names of what differs, sorted, and a line for each difference.
local function compare(m, tree)
  local parts, kinds, lines = {}, {}, {}
  for part in m:walk() do parts[#parts + 1] = part end
  local function differs(kind, ours, theirs)
    if ours == theirs then return end
    if not kinds[kind] then kinds[#kinds + 1] = kind end
    kinds[kind] = true
    lines[#lines + 1] = ("%s: %q, Python: %q"):format(kind, tostring(ours), tostring(theirs))
  end
  differs("parts", #parts, #tree.parts)
  for i = 1, kinds.parts and 0 or #parts do
    compare_part(differs, parts[i], tree.parts[i])
  end
  table.sort(kinds)
  return table.concat(kinds, " "), table.concat(lines, "\n")
end

describe("an awkward message", function()
  it("is read, and every part answers what it is asked", function()
    each(function(name) assert.is_true(#corpus.dump(read(name)) > 0, name) end)
  end)

  for _, size in ipairs { 1, 7, 4096 } do
    it(("is the same in pieces of %d bytes as whole"):format(size), function()
      local parser = email.Parser()
      each(function(name, text)
        for at = 1, #text, size do assert(parser:feed(text:sub(at, at + size - 1))) end
        assert.equal(corpus.dump(read(name)), corpus.dump(assert(parser:close())), name)
      end)
    end)
  end

  it("is written as it was read, byte for byte", function()
    each(function(name, text) assert.equal(text, corpus.written(read(name), text), name) end)
  end)

  it("is written as it was read after it was asked everything", function()
    each(function(name, text)
      local m = read(name)
      corpus.dump(m)
      assert.equal(text, corpus.written(m, text), name)
    end)
  end)

  it("is as_string's and source's, where its line ends are theirs", function()
    local counts = { 0, 0 }
    each(function(name, text)
      if not text:find("\r", 1, true) then
        local m = read(name)
        assert.equal(text, m:as_string(m:get_unixfrom() ~= nil), name)
        counts[1] = counts[1] + 1
      elseif not text:gsub("\r\n", ""):find("[\r\n]") and not read(name):get_unixfrom() then
        assert.equal(text, judge.collect(assert(read(name):source { cte = "8bit", utf8 = true })), name)
        counts[2] = counts[2] + 1
      end
    end)
    assert.is_true(counts[1] > 40 and counts[2] > 20)
  end)

  it("gives the same tree when what was written is read again", function()
    each(function(name)
      local m = read(name)
      assert.equal(corpus.dump(m), corpus.dump(email.message_from_string(assert(m:as_bytes { eol = "keep" }))), name)
    end)
  end)

  it("is seen as Python's email sees it, or the difference is explained", function()
    local trees = judge.trees(corpus.paths)
    assert.equal(#corpus.names, #trees)
    for i, name in ipairs(corpus.names) do
      local entry = explained[name] or { "" }
      local kinds, lines = compare(read(name), trees[i])
      assert.equal(entry[1], kinds, name .. "\n" .. lines)
    end
  end)

  it("is in the corpus when its difference is explained", function()
    for name in pairs(explained) do assert.is_string(corpus.text[name], name) end
  end)
end)

describe("what was wrong with a message", function()
  -- file, then the defects of all its parts in the order of the tree
  local cases = {
    { "base64-footer-of-a-list", "InvalidBase64CharactersDefect InvalidBase64PaddingDefect" },
    { "base64-junk-between", "InvalidBase64CharactersDefect" },
    { "base64-length-impossible", "InvalidBase64PaddingDefect" },
    { "base64-padding-missing", "InvalidBase64PaddingDefect" },
    { "base64-spaces", "InvalidBase64CharactersDefect" },
    { "body-only-no-blank-line", "MissingHeaderBodySeparatorDefect" },
    { "boundary-close-missing", "CloseBoundaryNotFoundDefect" },
    { "boundary-cut-in-the-middle", "CloseBoundaryNotFoundDefect" },
    { "boundary-only-close", "StartBoundaryNotFoundDefect" },
    { "boundary-open-missing", "StartBoundaryNotFoundDefect" },
    { "boundary-outer-inside-unclosed-inner", "CloseBoundaryNotFoundDefect" },
    { "boundary-parameter-empty", "NoBoundaryInMultipartDefect" },
    { "boundary-parameter-missing", "NoBoundaryInMultipartDefect" },
    { "continuation-first", "FirstHeaderLineIsContinuationDefect" },
    { "header-and-body-without-blank-line", "MissingHeaderBodySeparatorDefect" },
    { "header-blank-before-colon", "" },
    { "header-name-8-bit", "MissingHeaderBodySeparatorDefect" },
    { "header-name-empty", "InvalidHeaderDefect" },
    { "header-raw-latin1", "UndecodableBytesDefect" },
    { "multipart-base64-cte", "InvalidMultipartContentTransferEncodingDefect" },
    { "multipart-really-base64", "StartBoundaryNotFoundDefect InvalidMultipartContentTransferEncodingDefect" },
    { "nested-multipart-150", "DepthLimitDefect" },
    { "nested-rfc822-150", "DepthLimitDefect" },
    { "only-blanks", "FirstHeaderLineIsContinuationDefect" },
    { "quoted-printable-bad-hex", "InvalidQuotedPrintableDefect" },
    { "bounce-exim", "" },
  }

  for _, case in ipairs(cases) do
    it(("%s: %s"):format(case[1], case[2] == "" and "nothing" or case[2]), function()
      local found = {}
      for part in read(case[1]):walk() do
        if not part:is_multipart() then part:get_payload(nil, true) end
        for _, defect in ipairs(part.defects) do
          found[#found + 1] = defect.name
          assert.is_truthy(tostring(defect):find(defect.message, 1, true))
        end
      end
      assert.equal(case[2], table.concat(found, " "))
    end)
  end
end)
