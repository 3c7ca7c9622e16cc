"""A simulated AWS with faults, as strict as the service is documented: for the publisher's tests and benchmarks.

``SimulatedAws`` is the state and the gate that every call passes (quota, latency, faults, log). Two front ends lead to
the same state: ``SimLambda``, the publisher's ``Lambda`` interface without a network and in virtual time, and
``serve``, an HTTP server for real boto3 and the AWS CLI.

    client ──> SimLambda ──┐
                           ├──> SimulatedAws.call ──> RegionLayers, one for each region
    boto3 ───> HTTP ───────┘      quota, faults, log
"""

from scripts.simaws.aws import Broken, Call, SimulatedAws
from scripts.simaws.faults import At, Fault, Faults
from scripts.simaws.limits import AwsError
from scripts.simaws.port import SimLambda
from scripts.simaws.virtual_clock import VirtualClock

__all__ = ["At", "AwsError", "Broken", "Call", "Fault", "Faults", "SimLambda", "SimulatedAws", "VirtualClock"]
