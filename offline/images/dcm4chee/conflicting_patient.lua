-- Refuses an instance of a study that is stored under another patient ID, as the archive does unless
-- dcmAcceptConflictingPatientID is YES. By DICOM with the archive's own status.
local function conflicting(tags)
  local function trimmed(text)
    return type(text) == 'string' and text:gsub('^%s+', ''):gsub('%s+$', '') or ''
  end
  local answer = RestApiPost('/tools/find', DumpJson({
    Level = 'Study', Expand = true, RequestedTags = { 'PatientID' }, ResponseContent = { 'RequestedTags' },
    Query = { StudyInstanceUID = trimmed(tags.StudyInstanceUID) },
  }, true), true)
  for _, study in ipairs(ParseJson(answer)) do
    if trimmed(study.RequestedTags.PatientID) ~= trimmed(tags.PatientID) then
      return true
    end
  end
  return false
end

function ReceivedInstanceFilter(tags, origin, info)
  if origin.RequestOrigin ~= 'DicomProtocol' and conflicting(tags) then
    error('Patient ID conflicts with that of the study', 0)
  end
  return true
end

function ReceivedCStoreInstanceFilter(tags, origin, info)
  return conflicting(tags) and 0xA778 or 0
end
