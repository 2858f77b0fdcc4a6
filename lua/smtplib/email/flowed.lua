-- format=flowed (RFC 3676): text whose long lines are broken so that its reader
-- may join them again. Lines are joined with DelSp=no.

local flowed = {}

-- Where a line is broken, its last blank included; lines stay under 78.
local WIDTH = 74

local function length(s)
  return #s - select(2, s:gsub("[\128-\191]", ""))
end

-- A line that begins with a blank, ">" or "From " gets a blank before it, which
-- the reader takes away.
local function stuffed(line)
  if line:find("^[ >]") or line:find("^From ") then return " " .. line end
  return line
end

-- One paragraph, broken behind blanks. A piece that would read as the separator
-- of a signature is none.
local function add(lines, prefix, text)
  local width, first, last, count = WIDTH - #prefix, 1, 0, 0
  local function emit()
    local piece = text:sub(first, last)
    lines[#lines + 1] = prefix .. (prefix == "" and stuffed(piece) or piece)
  end
  for word, stop in text:gmatch("( *[^ ]+ *)()") do
    local more = length(word)
    if count > 0 and count + more > width and not (count == 3 and text:sub(first, last) == "-- ") then
      emit()
      first, count = last + 1, 0
    end
    last, count = stop - 1, count + more
  end
  emit()
end

--- Text as it goes into a message. Quoted lines (">") stay quoted; "-- ", the
--- separator of a signature, stays as it is; line ends become "\n".
---@param text string # UTF-8, a paragraph a line
---@return string
function flowed.encode(text)
  local lines = {}
  text = text:gsub("\r\n?", "\n")
  for line in (text:match("\n$") and text or text .. "\n"):gmatch("(.-)\n") do
    local quote, own = line:match("^(>[> ]*)(.*)$")
    if line == "-- " then
      lines[#lines + 1] = line
    elseif quote then
      -- Marks stand side by side: "> > x" is "x" quoted twice.
      local marks = quote:gsub(" ", "")
      local blanks = quote:match(">( *)$")
      own = own:gsub(" +$", "")
      if own == "" then
        lines[#lines + 1] = marks
      elseif own == "--" and line:match(" $") then
        lines[#lines + 1] = marks .. " -- "
      else
        -- One blank belongs to the marks; what is more belongs to the text.
        add(lines, marks .. " ", blanks:sub(2) .. own)
      end
    else
      add(lines, "", (line:gsub(" +$", "")))
    end
  end
  return table.concat(lines, "\n") .. (text:match("\n$") and "\n" or "")
end

--- Text of a message with format=flowed: its lines joined again.
---@param text string
---@param delsp boolean|nil # the parameter delsp is "yes"
---@return string
function flowed.decode(text, delsp)
  local lines, open = {}, nil
  text = text:gsub("\r\n?", "\n")
  for line in (text:match("\n$") and text or text .. "\n"):gmatch("(.-)\n") do
    local marks, own = line:match("^(>*)(.*)$")
    own = own:gsub("^ ", "")
    local is_separator = own == "-- "
    if open and open == marks and not is_separator then
      lines[#lines] = lines[#lines] .. own
    else
      lines[#lines + 1] = marks .. (marks ~= "" and own ~= "" and " " or "") .. own
    end
    open = nil
    if own:match(" $") and not is_separator then
      open = marks
      if delsp then lines[#lines] = lines[#lines]:sub(1, -2) end
    end
  end
  return table.concat(lines, "\n") .. (text:match("\n$") and "\n" or "")
end

return flowed
