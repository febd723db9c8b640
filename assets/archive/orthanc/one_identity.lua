-- One identity for each UID: refuses an instance whose study, series or SOP instance UID is already stored elsewhere.
--
-- DICOMweb finds a study by its UID alone. Orthanc keeps a second study with the same UID if the patient ID differs,
-- and from then on answers nobody about either ("Multiple studies"). The same holds for series and instances.
--
-- Orthanc calls both filters one at a time, but an instance accepted a moment ago may not be in the index yet.
-- `claims` remembers those, so two stores at the same time cannot both pass.

local IN_FLIGHT = 30 -- Seconds that an accepted instance may need to reach the index.
local REFUSED = 0xC409 -- DIMSE status, of the class "cannot understand": sending it again does not help.

local LEVELS = {
  { name = 'Instance', key = 'SOPInstanceUID', parents = { 'PatientID', 'StudyInstanceUID', 'SeriesInstanceUID' } },
  { name = 'Series', key = 'SeriesInstanceUID', parents = { 'PatientID', 'StudyInstanceUID' } },
  { name = 'Study', key = 'StudyInstanceUID', parents = { 'PatientID' } },
}
local PLACE = { Instance = 'in another series', Series = 'in another study', Study = 'under another patient ID' }

-- Claims of this period and of the one before. Older ones are dropped.
local claims, older, period = {}, {}, 0

local function drop_old_claims(now)
  if now - period >= IN_FLIGHT then
    claims, older, period = {}, (now - period < 2 * IN_FLIGHT) and claims or {}, now
  end
end

-- White space behind a value does not count for Orthanc, before it does; a missing value is an empty one.
local function value(tags, name)
  local text = tags[name]
  if type(text) ~= 'string' then
    return ''
  end
  return (text:gsub('[%s%z]+$', ''))
end

local function parents_of(tags, level)
  local values = {}
  for index, name in ipairs(level.parents) do
    values[index] = value(tags, name)
  end
  return table.concat(values, '\n')
end

-- The parents of each stored resource that has this UID.
local function stored(level, uid)
  local query = {
    Level = level.name,
    Query = { [level.key] = uid },
    RequestedTags = level.parents,
    ResponseContent = { 'RequestedTags' },
    Expand = true,
    CaseSensitive = true,
  }
  local answer = RestApiPost('/tools/find', DumpJson(query, true), true)
  local resources = answer and ParseJson(answer)
  if type(resources) ~= 'table' then
    error('The index did not answer; the instance was not stored.', 0)
  end
  local found = {}
  for _, resource in ipairs(resources) do
    table.insert(found, parents_of(resource.RequestedTags or {}, level))
  end
  return found
end

local function conflict(level, uid, parents, now)
  local key = level.name .. uid
  local claim = claims[key] or older[key]
  if claim and claim.parents == parents then
    return nil
  end
  local found = stored(level, uid)
  for _, other in ipairs(found) do
    if other == parents then
      return nil
    end
  end
  local what = 'Refused: ' .. level.name:lower() .. ' ' .. uid
  if #found > 0 then
    return what .. ' is already stored ' .. PLACE[level.name] .. '. Delete that first, or send this with a new UID.'
  end
  if claim and now - claim.time < IN_FLIGHT then
    return what .. ' has just been sent ' .. PLACE[level.name] .. '. If that was deleted, send this again in a minute.'
  end
  return nil
end

-- Words that say why the instance is refused; nil if it is not.
local function refusal(tags)
  local now = os.time()
  drop_old_claims(now)
  local wanted = {}
  for _, level in ipairs(LEVELS) do
    local uid, parents = value(tags, level.key), parents_of(tags, level)
    -- PS3.5, 9.1. No request for another UID reaches the archive, so its study would be listed and never opened.
    if #uid > 64 or not uid:match('^[0-9.]+$') or ('.' .. uid .. '.'):find('..', 1, true) then
      return 'Refused: ' .. level.key .. ' is no UID (numbers between dots, at most 64 characters).'
    end
    local words = conflict(level, uid, parents, now)
    if words then
      return words
    end
    wanted[level.name .. uid] = { parents = parents, time = now }
  end
  for key, claim in pairs(wanted) do
    claims[key] = claim
  end
  return nil
end

-- An error, as `false` would mean success to whoever sends by STOW-RS: the instance would be lost without a word.
function ReceivedInstanceFilter(tags, origin, info)
  if origin.RequestOrigin ~= 'DicomProtocol' then
    local words = refusal(tags)
    if words then
      error(words, 0)
    end
  end
  return true
end

function ReceivedCStoreInstanceFilter(tags, origin, info)
  local words = refusal(tags)
  if words then
    print(words)
    return REFUSED
  end
  return 0
end
